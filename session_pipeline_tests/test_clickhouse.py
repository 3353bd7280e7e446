"""Compares random funnels and patterns with windowFunnel and sequenceCount of ClickHouse itself, in the process.

docs/other_tools.md has the settings of each mode, and what differs even with them. The funnels here leave that out.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from session_pipeline_tests.deliveries import Delivery, delivery, settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles.funnels import Funnel
from session_pipeline_tests.oracles.published_cases import FIRST_MOMENT, mode_options
from session_pipeline_tests.oracles.published_paths import pattern_of
from session_pipeline_tests.oracles.sessions import Rules

chdb = pytest.importorskip("chdb", reason="the extra benchmarks is not installed")

pytestmark = pytest.mark.long

VISITOR_COUNT = 1000
DAY = FIRST_MOMENT.date()
SECOND = timedelta(seconds=1)
WINDOWS = (0, 1, 3, 3600)
NO_WINDOW = (86400,)

# The modes that count the same, with what version 26.9 needs besides `mode_options`, and the windows in seconds.
# strict_order differs if a window ends between the events; strict_increase and strict_once alone if events have equal
# times or meet several steps.
MODES: Mapping[str, tuple[Mapping[str, Any], Sequence[int]]] = {
    "ordered": ({}, WINDOWS),
    "strict_deduplication": ({}, WINDOWS),
    "strict_order": ({"allow_reentry": True}, NO_WINDOW),
    "strict_order+allow_reentry": ({"allow_early_steps": True}, WINDOWS),
    "strict_order+strict_deduplication": ({"allow_reentry": True}, NO_WINDOW),
    "strict_increase+strict_once": ({}, WINDOWS[1:]),
}
CONDITIONS = {"1": "a", "2": "b", "3": "c"}


def events() -> list[tuple[str, int, str]]:
    """Return visitor, second and name of up to nine events. Those of visitors t1, t2 and so on can have equal times."""
    random = Random(5)
    found = []
    for visitor in range(VISITOR_COUNT):
        count, kind = random.randint(1, 9), random.choice("dt")
        seconds = random.choices(range(9), k=count) if kind == "t" else random.sample(range(13), count)
        found += [(f"{kind}{visitor}", second, random.choice("aabbccdx")) for second in seconds]
    return found


def random_funnels() -> dict[str, Funnel]:
    """Return funnels by their mode and a number."""
    random = Random(6)
    found = {}
    for number in range(60):
        mode, (options, windows) = random.choice(list(MODES.items()))
        steps = tuple(frozenset(random.choice(("a", "b", "c", "d", "ab", "bc"))) for _ in range(random.randint(2, 4)))
        grain = random.choice(("session", "visitor"))
        window = random.choice(windows) * SECOND
        found[f"{mode} {number}"] = Funnel(steps, grain, window, **{**mode_options(mode), **options})
    return found


def random_patterns() -> list[str]:
    """Return patterns of ClickHouse: conditions, with nothing, other events or a time between."""
    random = Random(7)
    between = ("", "", ".*", ".", "(?t<=2)", "(?t<1)", "(?t>=1)", "(?t==2)", "(?t>2)", "(?t<=3).*")
    found = set()
    while len(found) < 60:
        first, *others = random.choices(list(CONDITIONS), k=random.randint(1, 4))
        found.add(f"(?{first})" + "".join(f"{random.choice(between)}(?{other})" for other in others))
    return sorted(found)


def level_in_clickhouse(name: str, funnel: Funnel) -> str:
    """Return the column of the deepest step."""
    options = "".join(f", '{option}'" for option in name.split()[0].split("+") if option != "ordered")
    steps = ", ".join(f"position('{''.join(sorted(step))}', name) > 0" for step in funnel.steps)
    assert funnel.window is not None
    return f"windowFunnel({funnel.window // SECOND}{options})(second, {steps})"


def count_in_clickhouse(pattern: str) -> str:
    """Return the column of the number of matches."""
    conditions = ", ".join(f"name = '{name}'" for name in CONDITIONS.values())
    return f"sequenceCount('{pattern}')(second, {conditions})"


def in_clickhouse(file: Path, columns: Sequence[str]) -> dict[str, list[int]]:
    """Return the columns of each visitor."""
    file.write_text("".join(f"{visitor}\t{second}\t{name}\n" for visitor, second, name in events()))
    rows = f"file('{file}', TSV, 'visitor String, second UInt64, name String')"
    found = str(chdb.query(f"select visitor, {', '.join(columns)} from {rows} group by visitor", "JSONCompactEachRow"))
    return {visitor: [*map(int, numbers)] for visitor, *numbers in map(json.loads, found.splitlines())}


def delivered() -> Delivery:
    return delivery(
        "events",
        (
            {
                "event_id": f"{number}",
                "visitor_id": visitor,
                "event_time": FIRST_MOMENT + second * SECOND,
                "event_name": name,
            }
            for number, (visitor, second, name) in enumerate(events())
        ),
    )


def test_funnels_and_patterns_are_those_of_clickhouse(tmp_path: Path) -> None:
    funnels, patterns = random_funnels(), random_patterns()
    translated = [(each, *pattern_of(each, CONDITIONS)) for each in patterns]
    searches = [{"name": name, "pattern": pattern, "among": among} for name, pattern, among in translated]
    deployment = Deployment(
        tmp_path / "data",
        {**settings(Rules(), DAY, funnels), "patterns": searches},
        only=("sessions", "funnel_entries", "session_patterns"),
    )
    deployment.deliver("events", delivered().lines)
    deployment.run(DAY)
    visitor_of = {row["session_id"]: row["visitor_id"] for row in deployment.records("sessions")}
    found = {(row["funnel"], row["visitor_id"]): row["step_reached"] for row in deployment.records("funnel_entries")}
    found |= {
        (row["pattern"], visitor_of[row["session_id"]]): row["match_count"]
        for row in deployment.records("session_patterns")
    }

    columns = {name: level_in_clickhouse(name, funnel) for name, funnel in funnels.items()}
    columns |= {pattern: count_in_clickhouse(pattern) for pattern in patterns}
    for visitor, numbers in in_clickhouse(tmp_path / "events.tsv", list(columns.values())).items():
        for name, number in zip(columns, numbers, strict=True):
            # Events of equal times have no order in sequenceCount.
            if name in funnels or visitor.startswith("d"):
                assert found.get((name, visitor), 0) == number, (name, columns[name], visitor)
