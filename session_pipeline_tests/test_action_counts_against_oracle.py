"""Compares action_visits and action_progress with the oracle on random sessions, within and beyond their bounds."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from math import inf
from random import Random
from typing import Any

import pytest

from session_pipeline.reference import changes
from session_pipeline.run.pipeline import open_run
from session_pipeline.tables.parameters import CONSTANTS
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import progress as oracle
from session_pipeline_tests.oracles.progress import GOAL, WHOLE, Segment, Session

Row = Mapping[str, Any]

FIRST = date(2026, 3, 2)
DAYS = 3
AGENTS = (None, "Mozilla/5.0 (Windows NT 10.0) Chrome/120.0", "Googlebot/2.1 (+http://www.google.com/bot.html)")
SETTINGS: Mapping[str, Any] = {
    "outcomes": [
        {"name": "buy", "where": "event_name = 'buy'", "value": "value", "is_conversion": True},
        {"name": "long", "where_session": "event_count >= 9", "is_conversion": True},
    ],
    "funnels": [
        {
            "name": "rare",
            "steps": [
                {"name": "rare", "where": "event_name = 'rare'"},
                {"name": "any", "where": "event_name in ('a3', 'a4', 'buy')"},
            ],
        }
    ],
    "dimensions": {"plan": "properties ->> 'plan'", "team": "properties ->> 'team'"},
    "changes": {"dimensions": ["device", "landing_action"], "excluded_dimensions": ["team"]},
}
NAMES = ("a1", "a1", "a1", "a2", "a2", "a3", "a3", "a4", "a5", "buy", "rare")


def lines_of(random: Random) -> list[dict[str, Any]]:
    return [line for visitor in range(40) for line in lines_of_visitor(f"v{visitor}", random)]


def lines_of_visitor(visitor: str, random: Random) -> list[dict[str, Any]]:
    day = FIRST + timedelta(days=random.randrange(DAYS))
    agent, plan = random.choice(AGENTS), random.choice((None, "x", "y", "z", "w"))
    return [
        {
            "visitor_id": visitor,
            "event_id": f"{visitor}-{number}",
            "event_time": f"{day}T10:{number:02}:00Z",
            "event_name": random.choice(NAMES),
            "user_agent": agent,
            "plan": plan,
            "team": "t",
            "value": random.randrange(100),
        }
        for number in range(random.randint(1, 12))
    ]


@pytest.fixture(scope="module", params=range(4))
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A few days of random sessions; with odd seeds, the bounds are small enough to matter. Read only."""
    deployment = Deployment(tmp_path_factory.mktemp("counts"), SETTINGS)
    deployment.deliver("lines", lines_of(Random(request.param)))
    with pytest.MonkeyPatch.context() as patch:
        if request.param % 2:
            for name, bound in (("MOST_ACTIONS", 4), ("MOST_FOLLOWED_ACTIONS", 2), ("MOST_DIMENSION_VALUES", 2)):
                patch.setattr(changes, name, bound)
                patch.setitem(CONSTANTS, name.lower(), bound)
        with open_run(deployment.folder, run_id="test", until=FIRST + timedelta(days=DAYS)) as run:
            run.ingest()
            run.build(STEP_OF_TABLE["action_visits"], run.planner.frame.wanted)  # and its inputs
        yield deployment


def sessions_of(deployment: Deployment) -> list[Session]:
    """Return the human sessions, from tables that have oracles of their own, with folded dimension values."""
    people = [row for row in deployment.records("sessions") if not row["is_bot"]]
    plans = {
        row["session_id"]: row["dimension_value"]
        for row in deployment.records("session_dimensions")
        if row["dimension"] == "plan"
    }
    values = {
        (row["session_id"], dimension): value or "(none)"
        for row in people
        for dimension, value in (
            ("device", row["device"]),
            ("landing_action", row["landing_action"]),
            ("plan", plans.get(row["session_id"])),
        )
    }
    days = {row["session_id"]: row["session_date"] for row in people}
    outcomes = {row["session_id"]: row for row in deployment.records("session_outcomes")}
    bought = Counter[str]()
    for row in deployment.records("outcome_matches"):
        bought[row["session_id"]] = max(bought[row["session_id"]], row["event_number"])
    actions = deployment.records("session_actions")
    return [
        Session(
            days[session_id],
            session_id,
            [(row["event_number"], row["action"]) for row in actions if row["session_id"] == session_id],
            (bought[session_id] or inf) if outcomes[session_id]["is_converted"] else None,
            segments_of(session_id, values, days),
        )
        for session_id in days
    ]


def segments_of(session_id: str, values: Mapping[tuple[str, str], str], days: Mapping[str, date]) -> Sequence[Segment]:
    found = []
    for dimension in ("device", "landing_action", "plan"):
        of_day = Counter(
            value for (other, name), value in values.items() if name == dimension and days[other] == days[session_id]
        )
        if set(of_day) == {"(none)"}:
            continue
        kept = sorted(of_day, key=lambda value: (-of_day[value], value))[: changes.MOST_DIMENSION_VALUES]
        value = values[session_id, dimension]
        found.append((dimension, value if value in kept else "(other)"))
    return found


def kept_actions(sessions: Sequence[Session], day: date) -> tuple[set[str], set[str]]:
    """Return the actions of a day that have visits, and those that are followed."""
    visits = Counter(action for one in sessions if one.day == day for _, action in oracle.first_times(one))
    ranked = sorted(visits, key=lambda action: (-visits[action], action))
    of_steps = {"rare"} & set(visits)
    any_of = [action for action in ranked if action in ("a3", "a4", "buy")]
    of_steps |= set(any_of[:1])
    return {*ranked[: changes.MOST_ACTIONS], *of_steps}, {*ranked[: changes.MOST_FOLLOWED_ACTIONS], *of_steps}


@pytest.mark.long
def test_counts_equal_those_of_the_oracle(built: Deployment) -> None:
    sessions = sessions_of(built)
    assert len(sessions) > 20
    visits, progress = {}, {}
    for day, counts in oracle.daily_counts(sessions).items():
        visited, followed = kept_actions(sessions, day)
        for (segment, action, later), (count, converted, converted_after) in counts.items():
            if later == GOAL and action in visited:
                examples = " ".join(oracle.stopped(sessions, day, action, segment)) or None
                visits[day, *segment, action] = count, converted, action in followed, examples
            if later != GOAL and {action, later} <= followed:
                progress[day, *segment, action, later] = count, converted, converted_after
    key = ("session_date", "dimension", "dimension_value", "action")
    found_visits = {
        tuple(row[name] for name in key): (
            row["session_count"],
            row["converted_count"],
            row["is_followed"],
            row["stopped_session_ids"],
        )
        for row in built.records("action_visits")
    }
    assert found_visits == visits
    assert {
        tuple(row[name] for name in (*key, "next_action")): (
            row["session_count"],
            row["converted_count"],
            row["converted_after_count"],
        )
        for row in built.records("action_progress")
    } == progress
    assert {row["site"] for row in built.records("action_visits")} == {"main"}


@pytest.mark.long
def test_not_converted_are_sessions_without_a_conversion_that_are_no_bounces(built: Deployment) -> None:
    outcome_of = {row["session_id"]: row["outcome"] for row in built.records("session_outcomes")}
    expected = Counter(
        (one.day, action, segment)
        for one in sessions_of(built)
        for _, action in oracle.first_times(one)
        for segment in (WHOLE, *one.segments)
        if one.converted_at is None and outcome_of[one.session_id] != "bounce"
    )
    found = {
        (row["session_date"], row["action"], (row["dimension"], row["dimension_value"])): row["not_converted_count"]
        for row in built.records("action_visits")
    }
    assert set(found.values()) > {0, 1}
    assert found == {key: expected[key] for key in found}


@pytest.mark.long
def test_value_is_that_of_sessions_that_convert_after_the_action(built: Deployment) -> None:
    value_of = {row["session_id"]: row["value"] for row in built.records("session_outcomes")}
    sessions = sessions_of(built)
    for row in built.records("action_visits"):
        if (row["dimension"], row["dimension_value"]) == WHOLE:
            converted = [
                value_of[one.session_id]
                for one in sessions
                if one.day == row["session_date"]
                for number, action in oracle.first_times(one)
                if action == row["action"] and oracle.converts_after(one, number)
            ]
            known = [value for value in converted if value is not None]
            assert row["converted_value"] == (sum(known) if known else None)
