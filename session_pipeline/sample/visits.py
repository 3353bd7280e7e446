"""Visits as they turn out: people's walks, their coming back, and bots.

Knows when a visit begins and ends, since it decides it; that is the truth about sessions. Does not
know files, nor how events are delivered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from session_pipeline.sample import shop
from session_pipeline.sample.odds import once_in, skewed
from session_pipeline.sample.times import DAY, HOUR, INACTIVITY, MINUTE, SECOND
from session_pipeline.sample.visitors import CRAWL, WATCH, PlannedVisit, Visitor, campaign_share
from session_pipeline.sample.walk import Event, Walk
from session_pipeline.sample.ways import LANDINGS

_WATCH_INTERVAL = 20 * MINUTE


@dataclass(frozen=True, slots=True)
class Visit:
    """An unbroken run of a visitor's events, in order; at least one."""

    visitor: Visitor
    events: list[Event]


class Visits:
    """Makes planned visits come true.

    No gap within a visit is longer than the inactivity timeout, and each between two visits of a
    visitor is (but for the monitor, whose visits end by `max_hours`).
    """

    def __init__(self, chance: Random) -> None:
        """Makes the visits that the chance brings; one object for the whole sample."""
        self._chance = chance
        # On the border of the timeout, where chance alone would hardly ever come: planted.
        self._pauses_for_the_timeout = once_in(300, first=20)
        self._returns_just_after_the_timeout = once_in(300, first=20)
        self._planted_pauses: list[int] = []

    def make(self, planned: PlannedVisit) -> Iterator[Visit]:
        """The planned visit, then the one of a person who comes back to it after a longer break."""
        chance, visitor = self._chance, planned.visitor
        if planned.intent == WATCH:
            yield _watch(visitor, planned.start)
            return
        start = planned.start
        if start <= visitor.last_event_at + INACTIVITY:
            start = visitor.last_event_at + skewed(chance, INACTIVITY + SECOND, 3 * HOUR)
        if planned.intent == CRAWL:
            yield _crawl(chance, visitor, start)
            return
        if next(self._pauses_for_the_timeout):
            self._planted_pauses.append(INACTIVITY)
        is_campaign = chance.random() < campaign_share(start // DAY)
        source = (shop.CAMPAIGN_SOURCES if is_campaign else shop.SOURCES).draw(chance)
        walk = Walk(chance, visitor, start, source, self._planted_pauses)
        yield Visit(visitor, walk.follow(planned.intent, LANDINGS[planned.intent].draw(chance)))
        if next(self._returns_just_after_the_timeout):
            yield self._return(visitor, INACTIVITY + 1)
        elif chance.random() < (0.25 if visitor.cart else 0.02):
            yield self._return(visitor, skewed(chance, INACTIVITY + SECOND, 4 * HOUR))

    def _return(self, visitor: Visitor, after: int) -> Visit:
        """The same person at the tab left open: straight to the cart, if something is in it."""
        start = visitor.last_event_at + after
        walk = Walk(self._chance, visitor, start, shop.Source(None), self._planted_pauses)
        if visitor.cart:
            return Visit(visitor, walk.follow("buy", "cart"))
        return Visit(visitor, walk.follow("research", "look"))


def _crawl(chance: Random, visitor: Visitor, start: int) -> Visit:
    """A crawler's burst: one product after the other, no clicks, no referrer."""
    events: list[Event] = []
    time = start
    for _ in range(skewed(chance, 1, 30)):
        page = shop.PRODUCT_ODDS[shop.CATEGORY_ODDS.draw(chance)].draw(chance).page
        events.append(Event(visitor.count_event(time), time, "page_view", page))
        time += skewed(chance, SECOND, MINUTE)
    return Visit(visitor, events)


def _watch(visitor: Visitor, start: int) -> Visit:
    """A day of a monitor: it never pauses, so the default `max_hours` ends its sessions."""
    return Visit(
        visitor,
        [
            Event(visitor.count_event(time), time, "page_view", shop.HOME)
            for time in range(start, start + DAY, _WATCH_INTERVAL)
        ],
    )
