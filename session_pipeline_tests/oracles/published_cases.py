"""Reads small cases from the literature and other products into the terms of this project.

The oracles and the pipeline are tested on them. For a case that the settings cannot express, there is a reason.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline_tests.oracles.funnels import Exclusion, Funnel
from session_pipeline_tests.oracles.sessions import Rules

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
NEEDS_FIXTURES = pytest.mark.skipif(
    not FIXTURES.is_dir(),
    reason="../shared/fixtures is missing; a clone of the project alone has none",
)

LONGEST_WINDOW = timedelta(days=30)
EPOCH = datetime(1970, 1, 1)
FIRST_MOMENT = datetime(2024, 1, 1)

SESSION_CASES_NOT_EXPRESSIBLE = {
    13: "a flag of the event forces a session there; here only an event's name does (separator)",
    29: "an event ends a session there; here a session ends where the next begins",
}  # daily_definitions counts these too: see test_session_definitions.py
SESSION_CASES_THAT_DIFFER_ELSEWHERE = {
    27: "the separator has no session there, so it is not compared; here the one it begins has it",
}

# The options of windowFunnel in ClickHouse, and the modes of PostHog and retentioneering, in the terms of this project.
# In ClickHouse the first stop ends the search, an event can take several steps, and a repeated first step never stops.
CLICKHOUSE = {"one_event_per_step": False}
CLICKHOUSE_MODES: Mapping[str, Mapping[str, Any]] = {
    "ordered": {},
    "strict_deduplication": {"repeats": "stop", "stop_ends": "all"},
    "strict_order": {"mode": "strict", "stop_ends": "all"},
    "allow_reentry": {"allow_reentry": True},
    "strict_increase": {"ties": "later"},
    "strict_once": {"one_event_per_step": True},
}
OTHER_MODES: Mapping[str, Mapping[str, Any]] = {
    "posthog_ordered": {},
    "posthog_strict": {"mode": "strict", "repeats": "stop"},
    "posthog_unordered": {"mode": "unordered"},
    "ordered_no_window": {},
}
FUNNEL_CASES_NOT_EXPRESSIBLE: Mapping[int, str] = {}


@dataclass(frozen=True)
class SessionCase:
    """Events in file order, and each event's session number within its visitor, by event_id.

    Events that are not compared (see the lists above) are absent. None: the line is quarantined.
    """

    name: str
    rules: Rules
    lines: tuple[Mapping[str, Any], ...]
    session_numbers: Mapping[str, int | None]
    page_view_count: int | None = None

    @property
    def visitors(self) -> set[str]:
        return {line["visitor_id"] for line in self.lines}


@dataclass(frozen=True)
class FunnelCase:
    """Events in file order, and the expected result of a funnel.

    `levels`: the deepest step by visitor_id; 0 if never entered, None if excluded. `entered`: visitors by step. Either
    may be empty.
    """

    name: str
    funnel: Funnel
    lines: tuple[Mapping[str, Any], ...]
    levels: Mapping[str, int | None] = field(default_factory=dict)
    entered: tuple[int, ...] = ()

    @property
    def visitors(self) -> set[str]:
        return {line["visitor_id"] for line in self.lines}


def why_not_a_session_case(case: Mapping[str, Any]) -> str | None:
    """Return why the settings cannot express a case of sessionize_cases.json, or None if they can."""
    return SESSION_CASES_NOT_EXPRESSIBLE.get(case["id"])


def why_not_a_funnel_case(case: Mapping[str, Any]) -> str | None:
    """Return why the settings cannot express a case of funnel_cases.json, or None if they can."""
    return FUNNEL_CASES_NOT_EXPRESSIBLE.get(case["id"])


def read_cases(name: str) -> list[dict[str, Any]]:
    """Return all cases of a fixture file, or an empty list if the fixtures are missing."""
    path = FIXTURES / name
    return json.loads(path.read_text())["cases"] if path.exists() else []


def session_cases() -> list[SessionCase]:
    """Return the cases of sessionize_cases.json that the settings can express."""
    cases = read_cases("sessionize_cases.json")
    return [_session_case(case) for case in cases if why_not_a_session_case(case) is None]


def _session_case(case: Mapping[str, Any]) -> SessionCase:
    name = f"{case['id']}: {case['name']}"
    rule = case["rule"]
    # Whole minutes above 30 are 31 minutes or more.
    is_in_minutes = rule.get("new_if", "") == "floor(gap/60) > 30"
    ends_with_the_hour = rule.get("bucket") == "utc_hour"  # and has no other timeout
    timeout = timedelta(seconds=rule.get("timeout_seconds", 3600 if ends_with_the_hour else 1800))
    rules = Rules(
        inactivity=timedelta(minutes=31) if is_in_minutes else timeout,
        split_at_midnight=rule.get("midnight_split", False),
        separator=rule.get("separator"),
        breaks_at=frozenset({"user"} if rule.get("split_on_user_change") else ()),
        starts_at_border=is_in_minutes or ">=" in rule.get("new_if", ""),
        split_at_utc_hour=ends_with_the_hour,
    )
    lines = []
    numbers = {}
    for place, ((visitor, seconds, *said), number) in enumerate(
        zip(case["events"], case["expected_session_index_per_event"], strict=True), start=1
    ):
        attributes = said[0] if said else {}
        event_id = f"{place:02d}"
        event_name = attributes.get("name", attributes.get("event", "page_view"))
        lines.append(
            {
                "event_id": event_id,
                "visitor_id": f"{name} / {visitor}",
                "event_time": None if seconds is None else EPOCH + timedelta(seconds=seconds),
                "event_name": event_name.replace("pageview", "page_view"),
                "user_id": attributes.get("user_id"),
            }
        )
        if rules.separator is None or event_name != rules.separator:
            numbers[event_id] = number
    page_view_count = case.get("expected_session", {}).get("pageviews")
    return SessionCase(name, rules, tuple(lines), numbers, page_view_count)


def session_numbers(placed: Iterable[tuple[str, str, str]]) -> dict[str, int]:
    """Number each visitor's sessions from 1, by event_id.

    Args:
        placed: visitor_id, event_id and session_id of a case's events, in order within each visitor.
    """
    numbers: dict[str, int] = {}
    seen: dict[str, list[str]] = {}
    for visitor_id, event_id, session_id in placed:
        sessions = seen.setdefault(visitor_id, [])
        if session_id not in sessions:
            sessions.append(session_id)
        numbers[event_id] = len(sessions)
    return numbers


def funnel_cases() -> list[FunnelCase]:
    """Return the cases of funnel_cases.json that the settings can express.

    A case without a window becomes a session funnel, otherwise a visitor funnel. Times are shifted so that the first
    event is at FIRST_MOMENT.
    """
    cases = read_cases("funnel_cases.json")
    return [_funnel_case(case) for case in cases if why_not_a_funnel_case(case) is None]


def _funnel_case(case: Mapping[str, Any]) -> FunnelCase:
    name = f"{case['id']}: {case['name']}"
    first = min(seconds for _, seconds, _ in case["events"])
    lines = tuple(
        {
            "event_id": f"{place:03d}",
            "visitor_id": f"{name} / {visitor}",
            "event_time": FIRST_MOMENT + timedelta(seconds=seconds - first),
            "event_name": event_name,
        }
        for place, (visitor, seconds, event_name) in enumerate(case["events"], start=1)
    )
    levels = {
        f"{name} / {visitor}": None if level == "excluded" else level
        for visitor, level in case.get("expected_level_per_visitor", {}).items()
    }
    entered = tuple(case.get("expected_counts_per_step", ()))
    return FunnelCase(name, _funnel(case), lines, levels, entered)


def _funnel(case: Mapping[str, Any]) -> Funnel:
    steps = tuple(frozenset([step] if isinstance(step, str) else step) for step in case["steps"])
    exclusions = tuple(
        Exclusion(frozenset({said["event"]}), said["from_step"] + 1, said["to_step"] + 1)
        for said in case.get("exclusions", ())
    )
    if case["window_seconds"] is None:
        return Funnel(steps, "session", exclusions=exclusions, **mode_options(case["mode"]))
    seconds = [seconds for _, seconds, _ in case["events"]]
    window = timedelta(seconds=min(case["window_seconds"], LONGEST_WINDOW.total_seconds()))
    if window == LONGEST_WINDOW and max(seconds) - min(seconds) > window.total_seconds():
        raise ValueError(f"funnel case {case['id']}: no setting can express its window; list it as such")
    return Funnel(steps, "visitor", window, exclusions, **mode_options(case["mode"]))


def mode_options(mode: str) -> dict[str, Any]:
    """Return a mode of the cases as options of a funnel. ClickHouse's modes can be combined by a plus sign."""
    if mode in OTHER_MODES:
        return dict(OTHER_MODES[mode])
    options = dict(CLICKHOUSE)
    for part in mode.split("+"):
        options |= CLICKHOUSE_MODES[part]
    return options


def funnel_levels(visitors: Iterable[str], attempts: Iterable[tuple[str, int, bool]]) -> dict[str, int | None]:
    """Return each visitor's deepest step: 0 without an attempt, None if all attempts are excluded.

    Args:
        visitors: All visitors of the case.
        attempts: visitor_id, step_reached and is_excluded of each attempt.
    """
    levels: dict[str, int | None] = dict.fromkeys(visitors, 0)
    tried = list(attempts)
    levels |= dict.fromkeys((visitor for visitor, _, _ in tried), None)
    for visitor, step_reached, is_excluded in tried:
        if not is_excluded:
            levels[visitor] = max(levels[visitor] or 0, step_reached)
    return levels


def entered_counts(levels: Mapping[str, int | None], step_count: int) -> tuple[int, ...]:
    """Return the number of visitors that reached each step."""
    reached = Counter(step for level in levels.values() if level for step in range(1, level + 1))
    return tuple(reached[step] for step in range(1, step_count + 1))
