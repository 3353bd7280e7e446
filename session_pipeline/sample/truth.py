"""Writes the truth about the sample: each session with its outcome, and the session of each event.

The truth is derived from the visits and the packaged outcome rules, not from delivered files. deliveries.py writes the
delivered files.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TextIO

from session_pipeline.sample.times import MINUTE, SECOND, time_text
from session_pipeline.sample.visits import Visit
from session_pipeline.sample.walk import Event

_SESSION_COLUMNS = (
    "session_number",
    "visitor_id",
    "started_at",
    "ended_at",
    "event_count",
    "page_view_count",
    "outcome",
    "value",
    "is_bot",
    "landing_page",
)
_EVENT_COLUMNS = ("event_id", "session_number", "event_number")

_OUTCOMES_BY_EVENT = (
    ("purchase", {"purchase"}),
    ("contact", {"contact"}),
    ("lead", {"sign_up"}),
    ("abandoned_cart", {"add_to_cart", "begin_checkout"}),
)
_PASSIVE_EVENTS = {"page_view", "page_ping"}
_ENGAGED_PAGE_VIEWS = 2
_ENGAGED_TIME = 10 * SECOND
_LONGEST_ENGAGED_GAP = MINUTE


class Truth:
    """Writes one row per session and one row per event of a session, and counts both.

    Attributes:
        session_count: Number of sessions.
        event_count: Number of events.
        outcomes: Number of sessions, by outcome.
    """

    def __init__(self, sessions: TextIO, events: TextIO) -> None:
        """Write the headers to the open files."""
        self._sessions = csv.writer(sessions, lineterminator="\n")
        self._events = csv.writer(events, lineterminator="\n")
        self._sessions.writerow(_SESSION_COLUMNS)
        self._events.writerow(_EVENT_COLUMNS)
        self.session_count = 0
        self.event_count = 0
        self.outcomes: Counter[str] = Counter()

    def add(self, visit: Visit) -> None:
        """Add a visit as one session, independently of how its lines are delivered."""
        self.session_count += 1
        self.event_count += len(visit.events)
        outcome = outcome_of(visit.events)
        self.outcomes[outcome] += 1
        first, last = visit.events[0], visit.events[-1]
        cents = sum(event.value_cents or 0 for event in visit.events)
        self._sessions.writerow(
            (
                self.session_count,
                visit.visitor.visitor_id,
                time_text(first.time),
                time_text(last.time),
                len(visit.events),
                _page_view_count(visit.events),
                outcome,
                f"{cents // 100}.{cents % 100:02}" if cents else "",
                "true" if visit.visitor.is_bot else "false",
                first.page.path,
            )
        )
        self._events.writerows(
            (visit.visitor.event_id(event.number), self.session_count, number)
            for number, event in enumerate(visit.events, start=1)
        )


def outcome_of(events: Sequence[Event]) -> str:
    """Return the outcome of a session with these events, by the packaged rules."""
    names = {event.name for event in events}
    for outcome, signs in _OUTCOMES_BY_EVENT:
        if names & signs or (outcome == "contact" and _reached_contact_thanks(events)):
            return outcome
    is_engaged = (
        _page_view_count(events) >= _ENGAGED_PAGE_VIEWS
        or bool(names - _PASSIVE_EVENTS)
        or _engaged_time(events) >= _ENGAGED_TIME
    )
    return "engaged" if is_engaged else "bounce"


def _reached_contact_thanks(events: Sequence[Event]) -> bool:
    return any(event.name == "page_view" and event.page.path == "/contact/thanks" for event in events)


def _page_view_count(events: Sequence[Event]) -> int:
    return sum(event.name == "page_view" for event in events)


def _engaged_time(events: Sequence[Event]) -> int:
    gaps = (after.time - before.time for before, after in pairwise(events))
    return sum(min(gap, _LONGEST_ENGAGED_GAP) for gap in gaps)
