"""Compares session_facts and daily_breakdowns with the oracle on random sessions of visitors who come several times."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest

from session_pipeline.tables import table
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import facts as oracle
from session_pipeline_tests.reliability.figures import effort

Row = dict[str, Any]

FIRST = date(2024, 3, 30)  # the next day has 23 hours
DAYS = 5
DIMENSIONS = ("channel", "device", "landing_page", "utm_campaign", "lifecycle")
OF_SESSIONS = (
    "session_outcomes",
    "session_goals",
    "session_dimensions",
    "session_actions",
    "session_friction",
    "daily_friction",
)
SOURCES = ("sessions", *OF_SESSIONS)
NAMES = ("page_view", "page_view", "page_view", "scroll", "add_to_cart", "purchase", "search", "error")
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 "
    "Mobile/15E148 Safari/604.1"
)
AGENTS = (None, None, PHONE, PHONE, "curl/8.5.0")
PAGES = ("/", "/a", "/a?utm_source=x&utm_medium=email", "/a?utm_campaign=c")


def settings_of(identity: str) -> dict[str, Any]:
    return {
        "timezone": "Europe/Berlin",
        "start_date": FIRST - timedelta(days=2),
        "identity": {"by": identity},
        "dimensions": {name: f"properties ->> '{name}'" for name in ("team", "plan")},
        "breakdowns": {"dimensions": list(DIMENSIONS)},
        "sources": {"second": {"site": "second"}},
    }


def lines_of(random: Random) -> list[Row]:
    """Return events of visitors on some of the days; some have user ids, so that some visitors are one person."""
    lines = []
    for visitor in range(30):
        for day in random.sample(range(DAYS), random.randint(1, 3)):
            at = datetime(2024, 3, 30) + timedelta(days=day, hours=random.choice([0, 12, 21, 22]))
            for number in range(random.randint(1, 8)):
                at += timedelta(seconds=random.choice([0, 1, 10, 600, 4000]))
                lines.append(
                    {
                        "visitor_id": f"v{visitor}",
                        "event_id": f"{day}-{number}",
                        "event_time": f"{at.isoformat()}Z",
                        "event_name": random.choice(NAMES),
                        "page_url": f"https://shop.example{random.choice(PAGES)}",
                        "user_agent": AGENTS[visitor % 5] if random.random() < 0.9 else random.choice(AGENTS),
                        "user_id": random.choice([None, None, None, f"u{visitor // 2}"]),
                        "value": random.choice([None, 0, -5, "12.34"]),
                        "currency": random.choice([None, "EUR", "USD"]),
                        "plan": random.choice([None, None, "x", "y, z"]),
                        "team": random.choice([None, "t"]),
                    }
                )
    random.shuffle(lines)
    return lines


def records(deployment: Deployment, name: str) -> list[Row]:
    """Return the rows of a table, with None for what is null."""
    frame = deployment.table(name).astype(object)
    found: list[Row] = frame.where(pd.notna(frame), None).to_dict("records")
    return found


@pytest.mark.parametrize("identity", ["person", pytest.param("visitor", marks=pytest.mark.long)])
@pytest.mark.parametrize("seed", range(effort()))
def test_facts_and_breakdowns_equal_the_oracle(seed: int, identity: str, tmp_path: Path) -> None:
    random = Random(seed)
    lines = lines_of(random)
    late = len(lines) // 4
    deployment = Deployment(tmp_path, settings_of(identity), only=(*SOURCES, "session_facts", "daily_breakdowns"))
    deployment.deliver("first", lines[late:])
    deployment.run(FIRST + timedelta(days=3))
    deployment.deliver("late", lines[:late])
    deployment.deliver("of-another-site", random.sample(lines, 60), source="second")
    deployment.run(FIRST + timedelta(days=random.choice([DAYS - 1, DAYS + 1])))

    sources = {name: records(deployment, name) for name in SOURCES}
    facts = oracle.session_facts(sources)
    assert Counter(row["lifecycle"] for row in facts).keys() == {None, "new", "returning", "resurrected"}
    columns = column_names("session_facts")
    shown = [{name: value for name, value in row.items() if name in columns} for row in facts]
    assert_equal(deployment, "session_facts", shown)
    breakdowns = oracle.daily_breakdowns(facts, sources["session_dimensions"], DIMENSIONS)
    assert_equal(deployment, "daily_breakdowns", breakdowns, without={"low", "high"})


def column_names(name: str) -> set[str]:
    return {column.name for column in table(name).columns}


def assert_equal(deployment: Deployment, name: str, expected: Sequence[Row], without: Set[str] = frozenset()) -> None:
    """Assert that the rows of a table are the expected ones, in any order, in all columns but some."""
    assert expected
    missing = column_names(name) - expected[0].keys() - without
    assert not missing, f"compute {missing} of {name} in oracles/facts.py"
    wanted = Counter(map(countable, expected))
    rows = Counter(countable({column: row[column] for column in expected[0]}) for row in records(deployment, name))
    assert (wanted - rows, rows - wanted) == (Counter(), Counter())


def countable(row: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(row.items()))
