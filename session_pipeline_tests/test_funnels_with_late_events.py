"""Tests all options of funnels when events around midnight arrive late: after each run, the entries equal the oracle's.

The events and the options are those of test_funnel_options.py. Each run has the files that arrived so far.
"""

import json
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from session_pipeline_tests.deliveries import delivery, read_lines, settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import sessions as oracle
from session_pipeline_tests.oracles.expected_tables import entry_row
from session_pipeline_tests.oracles.funnels import attempts
from session_pipeline_tests.test_funnel_options import DAY, RULES, plain, random_funnels, rows_by_funnel, visits

BEFORE_MIDNIGHT = datetime(2026, 10, 5, 23, 59, 57)
VISITOR_COUNT = 80
FUNNEL_COUNT = 24


@pytest.mark.parametrize(
    ("seed", "funnel_count"),
    [
        (6, FUNNEL_COUNT // 6),
        pytest.param(4, FUNNEL_COUNT // 3, marks=pytest.mark.long),
        pytest.param(1, FUNNEL_COUNT, marks=pytest.mark.long),
        *(pytest.param(seed, FUNNEL_COUNT, marks=pytest.mark.nightly) for seed in (2, 3)),
    ],
)
def test_entries_equal_oracle_after_each_delivery(seed: int, funnel_count: int, tmp_path: Path) -> None:
    random = Random(seed)
    lines = [json.loads(line) for line in visits(random, BEFORE_MIDNIGHT, VISITOR_COUNT).lines]
    funnels = random_funnels(random, funnel_count)
    assert {funnel.mode for funnel in funnels.values()} == {"ordered", "strict", "unordered"}
    files: dict[int, list[dict[str, object]]] = {0: [], 1: [], 2: []}
    for line in lines:
        files[random.choice((0, 0, 0, 1, 1, 2))].append(line)

    deployment = Deployment(tmp_path, settings(RULES, DAY - timedelta(days=1), funnels), only=("funnel_entries",))
    delivered, seen = [], []
    for number, until in enumerate((DAY, DAY + timedelta(days=1), DAY + timedelta(days=3))):
        file = delivery(f"part {number}", files[number])
        deployment.deliver(file.name, file.lines)
        delivered.append(file)
        deployment.run(until=until)
        events = [
            event for event in oracle.sessionize(read_lines(delivered), RULES) if event.event_time.date() <= until
        ]
        expected = [
            entry_row(name, funnel, one, RULES.timezone)
            for name, funnel in funnels.items()
            for one in attempts(events, funnel, RULES, until)
        ]
        rows = [row for some in rows_by_funnel(deployment.table("funnel_entries")).values() for row in some]
        found = Counter(plain({column: row[column] for column in expected[0]}) for row in rows)
        wrong = list(found - Counter(map(plain, expected))) + list(Counter(map(plain, expected)) - found)
        assert not wrong, (until, funnels[str(dict(wrong[0])["funnel"])], wrong[:4])
        seen.append(found)
    for before, after in pairwise(seen):
        assert before - after, "late events change entries"
