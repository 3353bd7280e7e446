"""Compares session_patterns with the oracle, on random sessions of several weeks."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from session_pipeline.settings.pattern_parser import parse_pattern
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles.action_patterns import pattern_matches

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
    {"pattern": "(search{,2} | . | [search cart] -> /)? -> cart -> search?"},
    {"pattern": "(cart?){2} -> search"},
    {"pattern": "(search{,2}?){1,2}? -> cart"},
    {"pattern": "cart -[<=2s]-> cart"},
    {"pattern": "[cart search] -[>2s]-> [cart search] -[<3s]-> [^ping]"},
    {"pattern": ". -[==1s]-> ."},
    {"pattern": "cart -> (?t<=3s) -> cart"},
    {"pattern": "cart -> (?t>=3) -> search -> (?t<6) -> [^cart]"},
    {"pattern": "search -> cart? -> (?t==2s) -> . -> cart"},
    {"pattern": "search -> (cart -> . | search?){2} -> (?t>=2s) -> cart"},
    {"pattern": "^[search cart] -> (?t>1s) -> cart$"},
    {"pattern": "cart -> .* -> cart", "within_seconds": 4},
    {"pattern": "search -> [^cart]+ -> cart", "within_seconds": 5},
    {"pattern": "search -> cart", "among": ["search", "cart"]},
    {"pattern": "search -[<=3s]-> cart -> .", "among": ["search", "cart", "/"]},
    {"pattern": "cart -> (?t<=0s) -> cart", "among": ["cart", "/x"]},
    {"pattern": '"buy > now" -> "(end)"?'},
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


# The usual tests have the first seed, the long ones the others.
@pytest.fixture(params=[0, pytest.param(1, marks=pytest.mark.long), pytest.param(2, marks=pytest.mark.nightly)])
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Deployment:
    deployment = Deployment(
        tmp_path,
        {
            "actions": {"fold": [], "ignored_events": ["ping"]},
            "patterns": [{"name": f"pattern {place}", **pattern} for place, pattern in enumerate(PATTERNS)],
        },
        only=("session_patterns",),
    )
    deployment.deliver("lines", lines(Random(request.param)))
    deployment.run(DAYS[-1])
    return deployment


def actions_of(deployment: Deployment) -> dict[str, list[tuple[str, datetime]]]:
    actions: dict[str, list[tuple[str, datetime]]] = {}
    for row in sorted(deployment.records("session_actions"), key=lambda row: row["action_number"]):
        actions.setdefault(row["session_id"], []).append((row["action"], row["occurred_at"]))
    return actions


def test_session_patterns_equal_the_oracle(built: Deployment) -> None:
    found = {
        (row["session_id"], row["pattern"]): (
            row["match_count"],
            row["first_action_number"],
            row["last_action_number"],
        )
        for row in built.records("session_patterns")
    }
    expected = {}
    for session_id, actions in actions_of(built).items():
        for number, setting in enumerate(PATTERNS):
            seconds = setting.get("within_seconds")
            matches = pattern_matches(
                actions,
                parse_pattern(setting["pattern"]),
                None if seconds is None else timedelta(seconds=seconds),
                setting.get("among"),
            )
            if matches:
                expected[session_id, f"pattern {number}"] = (len(matches), *matches[0])
    assert {pattern for _, pattern in expected} == {f"pattern {number}" for number in range(len(PATTERNS))}
    assert found == expected
