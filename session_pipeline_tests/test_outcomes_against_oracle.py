"""Compares outcomes, goals, dimensions and the daily counts of them with the oracle on random sessions."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from session_pipeline.tables import table
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import outcomes as oracle
from session_pipeline_tests.oracles.outcomes import Engagement, Rule, Settings
from session_pipeline_tests.oracles.sessions import day_end
from session_pipeline_tests.reliability.figures import effort

Row = Mapping[str, Any]

ZONE = "America/St_Johns"
FIRST = date(2024, 3, 9)  # the next day has 23 hours
DAYS = 3
DAILY = ("daily_outcomes", "daily_bots", "daily_summary")
TABLES = ("session_outcomes", "session_goals", "session_dimensions", *DAILY)
NAMES = ("page_view", "page_view", "page_view", "scroll", "asset", "cart", "buy", "call", "search")
AGENTS = (
    None,
    "Mozilla/5.0 (Windows NT 10.0) Chrome/120.0",
    "Googlebot/2.1 (+http://www.google.com/bot.html)",
    "Own/1",
)
VALUES = (None, 0, -5, "12.34", 0.000001, 33.333333, 999999999999.5)


def settings_of(random: Random) -> Settings:
    rules = [
        Rule("bought", {"buy"}, has_value=True, is_conversion=True),
        Rule("long", least_events=4, is_conversion=random.random() < 0.5),
        Rule("asked", {"call", "search"}, has_value=random.random() < 0.5, is_conversion=random.random() < 0.5),
        Rule("looked", {"cart", "scroll"}, has_value=True),
    ]
    random.shuffle(rules)
    return Settings(
        outcomes=tuple(rules[: random.randint(1, 4)]),
        goals=(Rule("cart", {"cart"}, has_value=True), Rule("any", {"buy", "call", "page_view"})),
        dimensions=("plan", "team"),
        engagement=Engagement(
            page_views=random.choice([1, 2, 3]),
            time=random.choice([1, 10, 90]) * oracle.SECOND,
            longest_gap=random.choice([1, 60]) * oracle.SECOND,
            passive=random.choice([Engagement().passive, frozenset({"search"})]),
        ),
    )


def as_settings(settings: Settings) -> dict[str, Any]:
    engagement = settings.engagement
    return {
        "timezone": ZONE,
        "start_date": FIRST - timedelta(days=2),
        "sessions": {
            "engaged_page_views": engagement.page_views,
            "engaged_seconds": engagement.time // oracle.SECOND,
            "engaged_gap_seconds": engagement.longest_gap // oracle.SECOND,
            "passive_events": sorted(engagement.passive),
        },
        "bots": {"patterns": ["^Own/"]},
        "outcomes": [rule_of(rule, is_outcome=True) for rule in settings.outcomes],
        "goals": [rule_of(rule, is_outcome=False) for rule in settings.goals],
        "dimensions": {name: f"properties ->> '{name}'" for name in settings.dimensions},
        "sources": {"second": {"site": "second"}},
    }


def rule_of(rule: Rule, *, is_outcome: bool) -> dict[str, Any]:
    names = ", ".join(f"'{name}'" for name in sorted(rule.event_names))
    where = {"where": f"event_name in ({names})"} if names else {"where_session": f"event_count >= {rule.least_events}"}
    value = {"value": "value"} if rule.has_value else {}
    return {"name": rule.name, **where, **value} | ({"is_conversion": rule.is_conversion} if is_outcome else {})


def lines_of(random: Random) -> list[dict[str, Any]]:
    """Return events of visitors that do little, at equal times and around midnights, with copies and late events."""
    lines = []
    for visitor in range(60):
        day = FIRST + timedelta(days=random.randrange(DAYS))
        at = random.choice([day_end(day, ZONE) - timedelta(minutes=20), datetime(day.year, day.month, day.day, 12)])
        agent = random.choice(AGENTS)
        for number in range(random.randint(1, 6)):
            at += random.choice([0, 0, 1, 9, 10, 100, 1000, 2000]) * oracle.SECOND
            lines.append(
                {
                    "visitor_id": f"v{visitor}",
                    "event_id": f"{number}",
                    "event_time": f"{at.isoformat()}Z",
                    "event_name": random.choice(NAMES),
                    "page_url": random.choice([None, "https://shop.example/a", "https://shop.example/b"]),
                    "user_agent": agent if random.random() < 0.9 else random.choice(AGENTS),
                    "value": random.choice(VALUES),
                    "currency": random.choice([None, "EUR", "EUR", "USD"]),
                    "plan": random.choice([None, None, "x", "y"]),
                    "team": random.choice([None, "t"]),
                    "received_at": random.choice([None, f"{(at + random.choice(DELAYS)).isoformat()}Z"]),
                }
            )
    return lines + random.sample(lines, 10)


DELAYS = (timedelta(0), timedelta(minutes=20), timedelta(hours=12))


def events_of(deployment: Deployment) -> list[Row]:
    """Return the events with the values of their own fields."""
    return [row | {"own": json.loads(row["properties"] or "{}")} for row in deployment.records("events")]


def expected(deployment: Deployment, settings: Settings) -> dict[str, list[oracle.Row]]:
    events = events_of(deployment)
    sessions = oracle.sessions_of(events, settings)
    incomplete = {row["session_id"] for row in deployment.records("sessions") if not row["is_complete"]}
    ends = {event["event_date"]: day_end(event["event_date"], ZONE) for event in events}
    return {
        **oracle.session_tables(sessions, settings),
        "daily_outcomes": oracle.daily_outcomes(sessions),
        "daily_bots": oracle.daily_bots(sessions),
        "daily_summary": oracle.daily_summary(
            sessions, events, deployment.records("duplicate_events"), incomplete, ends
        ),
    }


@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, marks=pytest.mark.long if seed < 1 else pytest.mark.nightly) for seed in range(3 * effort())],
)
def test_outcomes_and_daily_counts_equal_the_oracle(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    settings = settings_of(random)
    deployment = Deployment(tmp_path, as_settings(settings), only=TABLES)
    lines = lines_of(random)
    random.shuffle(lines)
    deployment.deliver("first", lines[: len(lines) // 2])
    deployment.run(FIRST + timedelta(days=DAYS))
    deployment.deliver("second", lines[len(lines) // 2 :])
    deployment.deliver("of-another-site", random.sample(lines, 30), source="second")
    deployment.run(FIRST + timedelta(days=random.choice([DAYS - 1, DAYS])))
    assert_equal(deployment, expected(deployment, settings))
    changed = replace(settings, outcomes=settings.outcomes[::-1], engagement=Engagement())
    deployment.set(as_settings(changed))
    deployment.run(FIRST + timedelta(days=DAYS))
    assert_equal(deployment, expected(deployment, changed))


def assert_equal(deployment: Deployment, tables: Mapping[str, Sequence[Row]]) -> None:
    for name in TABLES:
        wanted = tables[name]
        assert wanted, name
        missing = {column.name for column in table(name).columns} - wanted[0].keys()
        assert not missing, f"compute {missing} of {name} in oracles/outcomes.py"
        found = [{column: row[column] for column in wanted[0]} for row in deployment.records(name)]
        differing = (countable(wanted) - countable(found), countable(found) - countable(wanted))
        assert differing == (Counter(), Counter()), name


def countable(rows: Sequence[Row]) -> Counter[tuple[tuple[str, Any], ...]]:
    return Counter(tuple(sorted(row.items())) for row in rows)
