"""Computes session_facts and daily_breakdowns from the tables of sessions, directly from their definitions.

The tables of sessions, outcomes, goals, dimensions, actions and friction have oracles of their own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]

HARD_TIMES = {"rage_click", "u_turn", "repeated_search", "error", "error_loop", "abandoned_form"}
OF_THE_OUTCOME = ("outcome", "is_converted", "conversion_count", "value", "currency", "decided_at")
LIST = ", "


def session_facts(tables: Tables) -> list[Row]:
    """Return a row for each session: its own columns, and what the other tables say about it."""
    outcomes = {row["session_id"]: row for row in tables["session_outcomes"]}
    goals, dimensions, actions, signals = (
        by_session(tables[name])
        for name in ("session_goals", "session_dimensions", "session_actions", "session_friction")
    )
    visits = visits_of(tables["sessions"])
    can_be_seen = {
        (row["session_date"], row["site"]) for row in tables["daily_friction"] if row["hard_time_count"] is not None
    }
    return [
        session
        | {name: outcomes[key][name] for name in OF_THE_OUTCOME}
        | {
            "action_count": len(actions[key]),
            "goals": LIST.join(sorted(row["goal"] for row in goals[key])) or None,
            "dimensions": LIST.join(sorted(f"{row['dimension']}={row['dimension_value']}" for row in dimensions[key]))
            or None,
            "friction_signals": LIST.join(sorted({row["signal"] for row in signals[key]})) or None,
            "friction_count": sum(row["occurrence_count"] for row in signals[key]),
            "has_hard_time": any(row["signal"] in HARD_TIMES for row in signals[key])
            or (False if (session["session_date"], session["site"]) in can_be_seen else None),
            "visit_number": None,
            "lifecycle": None,
        }
        | visits.get(key, {})
        for session in tables["sessions"]
        for key in (session["session_id"],)
    ]


def by_session(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["session_id"]].append(row)
    return found


def visits_of(sessions: Iterable[Row]) -> dict[str, Row]:
    """Return the number and life cycle of each session among those of its visitor, without sessions of bots."""
    found: dict[str, Row] = {}
    days: dict[tuple[str, str], list[date]] = defaultdict(list)
    for row in sorted(sessions, key=lambda row: (row["session_date"], row["day_session_number"])):
        if row["is_bot"]:
            continue
        day, own = row["session_date"], days[row["site"], row["visitor_id"]]
        is_returning = day - timedelta(days=1) in own
        lifecycle = "new" if set(own) <= {day} else "returning" if is_returning else "resurrected"
        own.append(day)
        found[row["session_id"]] = {"visit_number": len(own), "lifecycle": lifecycle}
    return found


def daily_breakdowns(facts: Iterable[Row], of_dimensions: Iterable[Row], packaged: Sequence[str]) -> list[Row]:
    """Return a row for each day, site, dimension and value of it.

    Args:
        facts: The sessions.
        of_dimensions: The rows of session_dimensions: one for each session that has a value.
        packaged: The dimensions that are columns of sessions.
    """
    own = {(row["session_id"], row["dimension"]): row["dimension_value"] for row in of_dimensions}
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in facts:
        values = {name: row[name] for name in packaged}
        values |= {name: own.get((row["session_id"], name)) for name in sorted({name for _, name in own})}
        for name, value in values.items():
            groups[row["session_date"], row["site"], name, "(none)" if value is None else value].append(row)
    return [
        dict(zip(("session_date", "site", "dimension", "dimension_value"), key, strict=True)) | counts(rows)
        for key, rows in groups.items()
    ]


def counts(rows: Sequence[Row]) -> Row:
    people = [row for row in rows if not row["is_bot"]]
    converted = [row for row in people if row["is_converted"]]
    values = [row["value"] for row in converted if row["value"] is not None]
    return {
        "session_count": len(people),
        "converted_count": len(converted),
        "bounce_count": sum(row["outcome"] == "bounce" for row in people),
        "value": sum(values) if values else None,
        "conversion_rate": len(converted) / len(people) if people else None,
        "new_session_count": sum(row["lifecycle"] == "new" for row in people),
        "new_converted_count": sum(row["lifecycle"] == "new" for row in converted),
        "bot_session_count": len(rows) - len(people),
    }
