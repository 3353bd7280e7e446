"""Turns planned visits into visits with events: walks of people, their returns, and bots.

This module decides when a visit starts and ends, which is the truth about sessions. deliveries.py delivers the events.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from session_pipeline.sample import shop
from session_pipeline.sample.faults import Fault
from session_pipeline.sample.odds import once_in, skewed
from session_pipeline.sample.times import DAY, HOUR, INACTIVITY, MINUTE, SECOND
from session_pipeline.sample.visitors import CRAWL, WATCH, PlannedVisit, Visitor, campaign_share
from session_pipeline.sample.walk import Event, Walk
from session_pipeline.sample.ways import LANDINGS

_WATCH_INTERVAL = 20 * MINUTE


@dataclass(frozen=True, slots=True)
class Visit:
    """The events of one session of a visitor, in order; at least one."""

    visitor: Visitor
    events: list[Event]


class Visits:
    """Generates the events of planned visits.

    Every gap within a visit is at most the inactivity timeout. Every gap between two visits of a visitor is longer. The
    exception is the monitor: its visits end by `max_hours`.
    """

    def __init__(self, chance: Random, faults: Sequence[Fault] = ()) -> None:
        """Prepare the generation. One object serves the whole sample."""
        self._chance = chance
        self._faults = faults
        # Planted gaps at the limit of the timeout, which random gaps would almost never hit.
        self._pauses_for_the_timeout = once_in(300, first=20)
        self._returns_just_after_the_timeout = once_in(300, first=20)
        self._planted_pauses: list[int] = []

    def make(self, planned: PlannedVisit) -> Iterator[Visit]:
        """Yield the planned visit, and possibly a second one of a person who returns after a longer break."""
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
        walk = Walk(chance, visitor, start, source, self._planted_pauses, self._faults)
        yield Visit(visitor, walk.follow(planned.intent, LANDINGS[planned.intent].draw(chance)))
        if next(self._returns_just_after_the_timeout):
            yield self._return(visitor, INACTIVITY + 1)
        elif chance.random() < (0.25 if visitor.cart else 0.02):
            yield self._return(visitor, skewed(chance, INACTIVITY + SECOND, 4 * HOUR))

    def _return(self, visitor: Visitor, after: int) -> Visit:
        """Return a visit of the same person in the tab left open. It starts at the cart if that is not empty."""
        start = visitor.last_event_at + after
        walk = Walk(self._chance, visitor, start, shop.Source(None), self._planted_pauses, self._faults)
        if visitor.cart:
            return Visit(visitor, walk.follow("buy", "cart"))
        return Visit(visitor, walk.follow("research", "look"))


def _crawl(chance: Random, visitor: Visitor, start: int) -> Visit:
    """Return a visit of a crawler: a burst of product pages without clicks or referrers."""
    events: list[Event] = []
    time = start
    for _ in range(skewed(chance, 1, 30)):
        page = shop.PRODUCT_ODDS[shop.CATEGORY_ODDS.draw(chance)].draw(chance).page
        events.append(Event(visitor.count_event(time), time, "page_view", page))
        time += skewed(chance, SECOND, MINUTE)
    return Visit(visitor, events)


def _watch(visitor: Visitor, start: int) -> Visit:
    """Return a day of a monitor. It never pauses, so the default `max_hours` ends its sessions."""
    return Visit(
        visitor,
        [
            Event(visitor.count_event(time), time, "page_view", shop.HOME)
            for time in range(start, start + DAY, _WATCH_INTERVAL)
        ],
    )
