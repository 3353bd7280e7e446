"""Compares the tables of paths with the oracle, on random sessions of several weeks."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from session_pipeline.settings.action_patterns import parse_pattern
from session_pipeline.tables.parameters import PATH_WINDOWS, RARE_ONE_IN, TYPICAL_PATH_COUNT
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import paths as oracle

FIRST_DAY = date(2024, 2, 20)
DAYS = [FIRST_DAY + timedelta(days=number) for number in range(0, 34, 3)]
ACTIONS = ("/", "/a/b", "/a/c", "/x", "search", "cart", "cart", "buy > now", "(end)", "ping")
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Version/17.4 Mobile Safari/604.1",
    None,
    "Googlebot/2.1 (+http://www.google.com/bot.html)",
)
PATTERNS: Sequence[Mapping[str, Any]] = (
    {"pattern": "search -> search"},
    {"pattern": "cart -> [^cart]* -> cart"},
    {"pattern": "cart -> .* -> cart"},
    {"pattern": "cart -> .*? -> search"},
    {"pattern": "^. -> cart"},
    {"pattern": "cart+ -> .$"},
    {"pattern": "(search -> cart | cart -> search){2}"},
    {"pattern": "(search | cart -> cart)+ -> /"},
    {"pattern": "cart -[<=2s]-> cart"},
    {"pattern": "[cart search] -[>2s]-> [cart search] -[<3s]-> [^ping]"},
    {"pattern": ". -[==1s]-> ."},
    {"pattern": "cart -> (?t<=3s) -> cart"},
    {"pattern": "cart -> (?t>=3) -> search -> (?t<6) -> [^cart]"},
    {"pattern": "search -> cart? -> (?t==2s) -> . -> cart"},
    {"pattern": "^[search cart] -> (?t>1s) -> cart$"},
    {"pattern": "cart -> .* -> cart", "within_seconds": 4},
    {"pattern": "search -> [^cart]+ -> cart", "within_seconds": 5},
    {"pattern": "search -> cart", "among": ["search", "cart"]},
    {"pattern": "search -[<=3s]-> cart -> .", "among": ["search", "cart", "/"]},
    {"pattern": "cart -> (?t<=0s) -> cart", "among": ["cart", "/x"]},
    {"pattern": '"buy > now" -> "(end)"?'},
)
SIZES = (
    {"max_steps": 10, "max_path_actions": 12, "max_paths": 1000, "min_session_count": 1},
    {"max_steps": 3, "max_path_actions": 2, "max_paths": 4, "min_session_count": 2},
    {"max_steps": 1, "max_path_actions": 1, "max_paths": 1, "min_session_count": 3},
)


def lines(random: Random) -> list[dict[str, Any]]:
    found = []
    for day in DAYS:
        for visitor in range(random.randint(6, 16)):
            moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=random.randint(0, 22))
            agent = random.choice(AGENTS)
            actions = random.choices(ACTIONS, weights=(9, 4, 4, 2, 6, 6, 6, 2, 2, 3), k=random.randint(1, 9))
            if random.random() < 0.1:
                actions = ["ping"]
            for action in actions:
                moment += timedelta(seconds=random.choice((0, 0, 1, 1, 2, 3, 200)))
                page = {"page_url": f"https://shop.example{action}"} if action.startswith("/") else {}
                found.append(
                    {
                        "event_id": f"{len(found):06d}",
                        "visitor_id": f"{day} {visitor}",
                        "event_time": moment.isoformat(),
                        "event_name": "page_view" if page else action,
                        **page,
                        **({"user_agent": agent} if agent else {}),
                    }
                )
    return found


# The usual tests have the first sizes, the long ones the others.
@pytest.fixture(
    scope="module", params=[0, *(pytest.param(number, marks=pytest.mark.long) for number in range(1, len(SIZES)))]
)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return build(tmp_path_factory.mktemp("paths"), request.param)


def build(folder: Path, number: int) -> Deployment:
    deployment = Deployment(
        folder,
        {
            "paths": SIZES[number],
            "actions": {"fold": [], "ignored_events": ["ping"]},
            "patterns": [{"name": f"pattern {place}", **pattern} for place, pattern in enumerate(PATTERNS)],
            "outcomes": [
                {"name": "bought", "where": "event_name = 'buy > now'", "is_conversion": True},
                {"name": "in_cart", "where": "event_name = 'cart'"},
            ],
        },
        only=("action_transitions", "typical_paths", "session_patterns", "session_outcomes"),
    )
    deployment.size = SIZES[number]  # type: ignore[attr-defined]
    deployment.deliver("lines", lines(Random(number)))
    deployment.run(DAYS[-1])
    return deployment


def records(deployment: Deployment, name: str) -> list[dict[str, Any]]:
    return deployment.table(name).to_dict("records")


def sessions_of(deployment: Deployment, *, with_bots: bool = False) -> list[oracle.Session]:
    outcomes = {row["session_id"]: row for row in records(deployment, "session_outcomes")}
    actions: dict[str, list[tuple[str, datetime]]] = {}
    for row in sorted(records(deployment, "session_actions"), key=lambda row: row["action_number"]):
        actions.setdefault(row["session_id"], []).append((row["action"], row["occurred_at"]))
    return [
        oracle.Session(
            row["session_date"],
            row["session_id"],
            outcomes[row["session_id"]]["outcome"],
            outcomes[row["session_id"]]["is_converted"],
            row["device"] or "(none)",
            int(row["duration_seconds"]),
            tuple(actions.get(row["session_id"], ())),
        )
        for row in records(deployment, "sessions")
        if with_bots or not row["is_bot"]
    ]


def compare(found: Iterable[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
    assert expected
    columns = expected[0].keys()
    ours = oracle.by_key(({name: row[name] for name in columns} for row in found), key)
    theirs = oracle.by_key(expected, key)
    assert ours.keys() == theirs.keys()
    for place, row in theirs.items():
        assert shown(ours[place]) == shown(row), place


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 9) if isinstance(value, float) else value for name, value in row.items()}


@pytest.mark.long
def test_action_transitions_equal_the_oracle(built: Deployment) -> None:
    expected = oracle.transitions(sessions_of(built), built.size["min_session_count"])  # type: ignore[attr-defined]
    key = ("session_date", "outcome", "transition", "from_action", "to_action")
    compare(records(built, "action_transitions"), expected, key)


def test_action_steps_equal_the_oracle(built: Deployment) -> None:
    size = built.size  # type: ignore[attr-defined]
    expected = oracle.steps(sessions_of(built), size["max_steps"], size["min_session_count"])
    compare(records(built, "action_steps"), expected, ("session_date", "outcome", "step_number", "action"))


def test_session_paths_equal_the_oracle(built: Deployment) -> None:
    size = built.size  # type: ignore[attr-defined]
    limits = size["max_path_actions"], size["max_paths"], size["min_session_count"]
    expected = oracle.session_paths(sessions_of(built), *limits)
    compare(records(built, "session_paths"), expected, ("session_date", "outcome", "path"))


def test_typical_paths_equal_the_oracle(built: Deployment) -> None:
    size = built.size  # type: ignore[attr-defined]
    limits = size["max_path_actions"], size["max_paths"], size["min_session_count"]
    days = {row["session_date"] for row in records(built, "typical_paths")}
    assert max(days) == DAYS[-1]
    expected = oracle.typical_paths(
        sessions_of(built), sorted(days), *limits, PATH_WINDOWS, RARE_ONE_IN, TYPICAL_PATH_COUNT
    )
    key = ("session_date", "window_days", "outcome", "segment", "rank")
    compare(records(built, "typical_paths"), expected, key)


def test_session_patterns_equal_the_oracle(built: Deployment) -> None:
    found = {
        (row["session_id"], row["pattern"]): (
            row["match_count"],
            row["first_action_number"],
            row["last_action_number"],
        )
        for row in records(built, "session_patterns")
    }
    expected = {}
    for session in sessions_of(built, with_bots=True):
        for number, setting in enumerate(PATTERNS):
            seconds = setting.get("within_seconds")
            matches = oracle.pattern_matches(
                session.actions,
                parse_pattern(setting["pattern"]),
                None if seconds is None else timedelta(seconds=seconds),
                setting.get("among"),
            )
            if matches:
                expected[session.session_id, f"pattern {number}"] = (len(matches), *matches[0])
    assert {pattern for _, pattern in expected} == {f"pattern {number}" for number in range(len(PATTERNS))}
    assert found == expected
