"""Computes outcomes, goals, dimensions and the daily counts of them in plain Python, from docs/definitions.md.

The input is the events of the table events, which has an oracle of its own.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

Row = dict[str, Any]
Event = Mapping[str, Any]

SECOND = timedelta(seconds=1)
SEVERAL_CURRENCIES = "XXX"
ALWAYS_LAST = ("engaged", "bounce")


@dataclass(frozen=True)
class Rule:
    """An outcome or a goal. It is met by events of some names, or by sessions of at least some number of events.

    Attributes:
        name: The name of the outcome or the goal.
        event_names: The names of events that meet it; none for a rule on sessions.
        least_events: The number of events from which a session meets it, for a rule on sessions.
        has_value: Whether the values of the events count.
        is_conversion: Whether the outcome is a conversion.
    """

    name: str
    event_names: Collection[str] = ()
    least_events: int | None = None
    has_value: bool = False
    is_conversion: bool = False

    def met_by(self, events: Sequence[Event]) -> list[Event]:
        return [event for event in events if event["event_name"] in self.event_names]

    def value_of(self, met: Sequence[Event]) -> Decimal | None:
        return total(event["value"] for event in met) if self.has_value else None

    def currency_of(self, met: Sequence[Event]) -> str | None:
        """Return the currency of the events whose value counts."""
        found = {event["currency"] for event in met if self.has_value and event["value"] is not None} - {None}
        return SEVERAL_CURRENCIES if len(found) > 1 else next(iter(found), None)


@dataclass(frozen=True)
class Engagement:
    """When a session is engaged."""

    page_views: int = 2
    time: timedelta = 10 * SECOND
    longest_gap: timedelta = 60 * SECOND
    passive: frozenset[str] = frozenset({"page_ping", "heartbeat", "scroll", "request"})

    def is_met(self, events: Sequence[Event]) -> bool:
        times = [event["event_time"] for event in events]
        gaps = [after - before for before, after in pairwise(times)]
        is_interaction = [event["event_name"] not in {"page_view", "asset", *self.passive} for event in events]
        return (
            page_views_of(events) >= self.page_views
            or any(is_interaction)
            or sum((min(gap, self.longest_gap) for gap in gaps), timedelta()) >= self.time
        )


@dataclass(frozen=True)
class Settings:
    """The settings that outcomes depend on. A dimension is the name of a field in properties."""

    outcomes: tuple[Rule, ...]
    goals: tuple[Rule, ...]
    dimensions: tuple[str, ...]
    engagement: Engagement = Engagement()


@dataclass(frozen=True)
class Session:
    """A session: its events in order, and how it ended."""

    events: Sequence[Event]
    outcome: Row
    is_engaged: bool

    @property
    def day(self) -> tuple[date, str]:
        return self.events[0]["session_date"], self.events[0]["site"]

    @property
    def visitor(self) -> str:
        return str(self.events[0]["visitor_id"])

    @property
    def is_bot(self) -> bool:
        return any(event["is_bot"] for event in self.events)

    @property
    def bot_reason(self) -> str:
        return next((event["bot_reason"] for event in self.events if event["bot_reason"]), "(people)")


def total(values: Iterable[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal()) if known else None


def page_views_of(events: Iterable[Event]) -> int:
    return sum(event["event_name"] == "page_view" for event in events)


def sessions_of(events: Iterable[Event], settings: Settings) -> list[Session]:
    """Return the sessions of all events."""
    by_session = defaultdict(list)
    for event in events:
        by_session[event["session_id"]].append(event)
    found = []
    for of_session in by_session.values():
        of_session.sort(key=lambda event: event["event_number"])
        is_engaged = settings.engagement.is_met(of_session)
        found.append(Session(of_session, outcome_of(of_session, settings.outcomes, is_engaged), is_engaged))
    return found


def outcome_of(events: Sequence[Event], rules: Sequence[Rule], is_engaged: bool) -> Row:
    """Return the outcome of a session by the first rule that it meets."""
    for rule in rules:
        met = rule.met_by(events)
        if met:
            return {
                "outcome": rule.name,
                "is_converted": rule.is_conversion,
                "conversion_count": len(met) if rule.is_conversion else 0,
                "value": rule.value_of(met),
                "currency": rule.currency_of(met),
                "decided_at": met[0]["event_time"],
                "deciding_event_id": met[0]["event_id"],
                "deciding_page": met[0]["page_path"],
            }
        if rule.least_events is not None and len(events) >= rule.least_events:
            return _without_event(rule.name, is_conversion=rule.is_conversion)
    return _without_event(ALWAYS_LAST[0] if is_engaged else ALWAYS_LAST[1], is_conversion=False)


def _without_event(name: str, *, is_conversion: bool) -> Row:
    nothing = dict.fromkeys(("value", "currency", "decided_at", "deciding_event_id", "deciding_page"))
    return {"outcome": name, "is_converted": is_conversion, "conversion_count": int(is_conversion), **nothing}


def session_tables(sessions: Iterable[Session], settings: Settings) -> dict[str, list[Row]]:
    """Return the rows of session_outcomes, session_goals and session_dimensions."""
    outcomes, goals, dimensions = [], [], []
    for session in sessions:
        date_of, site = session.day
        own = {
            "session_date": date_of,
            "session_id": session.events[0]["session_id"],
            "site": site,
            "is_bot": session.is_bot,
        }
        outcomes.append(own | session.outcome)
        for goal in settings.goals:
            if met := goal.met_by(session.events):
                first = min(event["event_time"] for event in met)
                goals.append(
                    own | {"goal": goal.name, "reached_at": first, "event_count": len(met), "value": goal.value_of(met)}
                )
        for name in settings.dimensions:
            value = next(filter(None, (event["own"].get(name) for event in session.events)), None)
            if value is not None:
                dimensions.append(own | {"dimension": name, "dimension_value": value})
    return {"session_outcomes": outcomes, "session_goals": goals, "session_dimensions": dimensions}


def daily_outcomes(sessions: Iterable[Session]) -> list[Row]:
    rows = []
    for (day, site, outcome), group in grouped(sessions, lambda one: (*one.day, one.outcome["outcome"])):
        people = [one for one in group if not one.is_bot]
        rows.append(
            {
                "session_date": day,
                "site": site,
                "outcome": outcome,
                "session_count": len(people),
                "visitor_count": len({one.visitor for one in people}),
                "value": total(one.outcome["value"] for one in people),
                "bot_session_count": len(group) - len(people),
            }
        )
    return rows


def daily_bots(sessions: Iterable[Session]) -> list[Row]:
    return [
        {
            "session_date": day,
            "site": site,
            "bot_reason": reason,
            "session_count": len(group),
            "visitor_count": len({one.visitor for one in group}),
            "page_view_count": sum(page_views_of(one.events) for one in group),
            "event_count": sum(len(one.events) for one in group),
        }
        for (day, site, reason), group in grouped(sessions, lambda one: (*one.day, one.bot_reason))
    ]


def daily_summary(
    sessions: Iterable[Session],
    events: Iterable[Event],
    duplicates: Iterable[Event],
    incomplete: Collection[str],
    day_ends: Mapping[date, datetime],
) -> list[Row]:
    """Return the rows of daily_summary.

    Args:
        sessions: All sessions.
        events: All events.
        duplicates: The rows of duplicate_events.
        incomplete: The ids of the sessions that can still get events.
        day_ends: The end of each local day.
    """
    of_day = dict(grouped(sessions, lambda one: one.day))
    happened = dict(grouped(events, lambda event: (event["event_date"], event["site"])))
    repeated = dict(grouped(duplicates, lambda event: (event["event_date"], event["site"])))
    rows = []
    for day, site in {*of_day, *happened, *repeated}:
        group = of_day.get((day, site), [])
        people = [one for one in group if not one.is_bot]
        received = [event["received_at"] for event in happened.get((day, site), [])]
        rows.append(
            {
                "session_date": day,
                "site": site,
                "session_count": len(people),
                "visitor_count": len({one.visitor for one in people}),
                "page_view_count": sum(page_views_of(one.events) for one in people),
                "bounce_count": sum(one.outcome["outcome"] == "bounce" for one in people),
                "engaged_count": sum(one.is_engaged for one in people),
                "converted_count": sum(one.outcome["is_converted"] for one in people),
                "value": total(one.outcome["value"] for one in people if one.outcome["is_converted"]),
                "bot_session_count": len(group) - len(people),
                "duplicate_count": len(repeated.get((day, site), [])),
                "late_event_count": sum(at is not None and at >= day_ends[day] for at in received),
                "is_final": not any(one.events[0]["session_id"] in incomplete for one in group),
            }
        )
    return rows


def grouped(items: Iterable[Any], key: Any) -> Iterable[tuple[Any, list[Any]]]:
    groups = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups.items()
