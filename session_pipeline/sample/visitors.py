"""Plans who visits the shop, when, and with which intent.

Handles visitors and the rhythm of days. visits.py turns planned visits into events; shop.py defines the pages.
"""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from session_pipeline.sample import shop
from session_pipeline.sample.odds import Odds
from session_pipeline.sample.times import DAY, HOUR
from session_pipeline.sample.ways import FIRST_INTENTS, LATER_INTENTS

CRAWL = "crawl"
WATCH = "watch"

_NIGHT = (18, 9, 5, 4, 5, 9)
_MORNING = (16, 26, 36, 44, 48, 50)
_AFTERNOON = (52, 50, 48, 48, 50, 54)
_EVENING = (62, 70, 68, 58, 44, 32)
_HOURS = Odds(dict(enumerate(_NIGHT + _MORNING + _AFTERNOON + _EVENING)))
_WEEKDAYS = (105, 100, 98, 130, 100, 88, 112)  # from Monday; the newsletter goes out on Thursdays
_CAMPAIGN_SHARES = (0.14, 0.12, 0.12, 0.42, 0.26, 0.16, 0.18)

_OFFSETS = Odds({0: 84, 120: 8, 60: 4, -240: 2, 330: 2})  # minutes
_COMES_AGAIN = 0.36
_COMES_AGAIN_THE_SAME_DAY = 0.3
_PEOPLE_PER_SET_OF_CRAWLERS = 8_000
_MOST_CRAWLS_A_DAY = 5


@dataclass(slots=True)
class Visitor:
    """A visitor, and the visitor's current state in the shop.

    Attributes:
        visitor_id: The id that the tracker sends.
        device: desktop, phone or tablet; None for bots.
        user_agent: The user agent.
        variant: Variant of the experiment, a or b; None for bots.
        offset_minutes: UTC offset of the visitor's clock.
        has_sequence: Whether the tracker sends sequence numbers.
        is_bot: Whether it is a bot.
        account: The user id that the visitor gets by signing up or logging in; None for bots.
        user_id: The user id, if the visitor has signed up or logged in.
        cart: The products in the cart, with quantities.
        event_count: Number of events so far.
        last_event_at: Time of the last event.
    """

    visitor_id: str
    device: str | None
    user_agent: str
    variant: str | None = None
    offset_minutes: int = 0
    has_sequence: bool = False
    is_bot: bool = False
    account: str | None = None
    user_id: str | None = None
    cart: list[tuple[shop.Product, int]] = field(default_factory=list)
    event_count: int = 0
    last_event_at: int = 0

    def count_event(self, time: int) -> int:
        """Count an event of the visitor at this time and return its number, from 1."""
        self.event_count += 1
        self.last_event_at = time
        return self.event_count

    def event_id(self, number: int) -> str:
        """Return the id that the tracker gives to the event with this number."""
        return f"{self.visitor_id}-{number}"


class PlannedVisit(NamedTuple):
    """A planned visit. It starts at `start` or later."""

    start: int
    intent: str
    visitor: Visitor


def campaign_share(day: int) -> float:
    """Return the share of the day's visits that come from a campaign."""
    return _CAMPAIGN_SHARES[_weekday(day)]


def plan_visits(chance: Random, visitors: int, first_day: int, days: int) -> list[list[PlannedVisit]]:
    """Return the planned visits of each day, sorted by start.

    They are the visits of the given number of people, and of the bots that visit every shop.
    """
    plan: list[list[PlannedVisit]] = [[] for _ in range(days)]
    day_odds = Odds({day: _WEEKDAYS[_weekday(first_day + day)] for day in range(days)})

    def add(day: int, intent: str, visitor: Visitor) -> None:
        start = (first_day + day) * DAY + _HOURS.draw(chance) * HOUR + int(chance.random() * HOUR)
        plan[day].append(PlannedVisit(start, intent, visitor))

    for number in range(visitors):
        person = _person(chance, number)
        day = day_odds.draw(chance)
        add(day, FIRST_INTENTS.draw(chance), person)
        while chance.random() < _COMES_AGAIN:
            if chance.random() >= _COMES_AGAIN_THE_SAME_DAY:
                day = day_odds.draw(chance)
            add(day, LATER_INTENTS.draw(chance), person)

    sets = 1 + visitors // _PEOPLE_PER_SET_OF_CRAWLERS
    for number, user_agent in enumerate(shop.CRAWLERS * sets, start=visitors):
        crawler = _bot(number, user_agent)
        for day in range(days):
            for _ in range(1 + int(chance.random() * _MOST_CRAWLS_A_DAY)):
                add(day, CRAWL, crawler)

    monitor = _bot(visitors + len(shop.CRAWLERS) * sets, shop.MONITOR)
    for day in range(days):
        plan[day].append(PlannedVisit((first_day + day) * DAY + 7 * HOUR, WATCH, monitor))

    for visits in plan:
        visits.sort(key=lambda visit: visit.start)
    return plan


def _weekday(day: int) -> int:
    return (day + 3) % 7  # day 0, 1970-01-01, was a Thursday


def _visitor_id(number: int) -> str:
    """Return an id that looks random. It is unique for numbers below 2^32, because the multiplier is odd."""
    return f"v{number * 2_654_435_761 % 2**32:08x}"


def _person(chance: Random, number: int) -> Visitor:
    device = shop.DEVICES.draw(chance)
    return Visitor(
        visitor_id=_visitor_id(number),
        device=device,
        user_agent=shop.USER_AGENTS[device].draw(chance),
        variant="a" if chance.random() < 0.5 else "b",
        offset_minutes=_OFFSETS.draw(chance),
        has_sequence=chance.random() < 0.06,
        account=f"u{100_000 + number}",
    )


def _bot(number: int, user_agent: str) -> Visitor:
    return Visitor(visitor_id=_visitor_id(number), device=None, user_agent=user_agent, is_bot=True)
