"""Tests the counts of moments and of actions seen before, against an oracle in plain Python, and their check."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from session_pipeline.checks import moments_add_up
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.reference.signals import SIGNALS
from session_pipeline.run.pipeline import open_run
from session_pipeline.store.records import Key, Written
from session_pipeline.tables import table
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.moments import MOMENT, PARAMETERS, count_moments
from session_pipeline_tests.oracles import opportunities as oracle
from session_pipeline_tests.oracles.opportunities import Session

FIRST = date(2026, 10, 5)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]
ACTIONS = ("/", "/a", "/b", "error", "cart", "buy")


def random_session(random: Random, number: int) -> Session:
    actions, event_number = [], 0
    for action_number in range(1, random.randrange(2, 19)):
        event_number += random.choice((1, 1, 2))
        actions.append((action_number, event_number, random.choice(ACTIONS)))
    bought = [at for _, at, action in actions if action == "buy"]
    carts = [(at, "shop", 2) for _, at, action in actions if action == "cart"]
    pages = [
        (at, "visit", step) for _, at, action in actions if action == "/a" for step in random.choice(((1,), (1, 3)))
    ]
    left = [(at, "visit", random.choice((-1, 0))) for _, at, action in actions if action == "/b"]
    converts = random.random() < 0.5
    contacts = [at for _, at, action in actions if action == "/b"] if random.random() < 0.3 else ()
    signals = {
        (random.choice(actions)[2], signal): random.choice((None, *(each[0] for each in actions)))
        for signal in random.sample(SIGNALS, 5)
        if actions
    }
    return Session(
        session_id=f"s{number:05}",
        day=random.choice(DAYS),
        site=random.choice(("main", "other")),
        device=random.choice(("mobile", "desktop", None)),
        is_bot=random.random() < 0.1,
        actions=actions,
        conversions=bought if converts else (),
        values=[random.choice((None, Decimal("12.500000"), Decimal("0.000001"))) for _ in bought if converts],
        as_a_whole=converts and not bought and random.random() < 0.3,
        steps=sorted(carts + pages + left),
        signals=[(action, signal, at) for (action, signal), at in signals.items()],
        other_matches=[(at, random.choice(("contact", "abandoned_cart")), None) for at in contacts],
    )


@pytest.mark.parametrize("seed", range(6))
def test_counts_equal_those_of_the_oracle(engine: DuckDBEngine, seed: int) -> None:
    random = Random(seed)
    sessions = [random_session(random, number) for number in range(150)]
    moments, seen = count_moments(engine, sessions)
    assert {
        (row["session_date"], *(row[name] for name in MOMENT), row["signal"], row["signal_action"]): (
            row["session_count"],
            row["converted_count"],
            row["excluded_count"],
            row["excluded_converted_count"],
            row["value"],
            row["example_session_id"],
        )
        for row in moments
    } == oracle.moment_counts(sessions, PARAMETERS["most_moment_actions"])
    assert {
        (row["session_date"], row["site"], row["at_action"], *(row[name] for name in MOMENT[2:]), row["seen_action"]): (
            row["session_count"],
            row["converted_count"],
            row["example_session_id"],
            row["is_milestone"],
        )
        for row in seen
    } == oracle.seen_counts(sessions, PARAMETERS["most_seen_actions"])


def test_order_of_rows_does_not_matter(engine: DuckDBEngine) -> None:
    random = Random(11)
    sessions = [random_session(random, number) for number in range(100)]
    shuffled = random.sample(sessions, len(sessions))

    def sorted_rows(rows: Iterable[Mapping[str, Any]]) -> list[str]:
        return sorted(map(repr, rows))

    for one, other in zip(count_moments(engine, sessions), count_moments(engine, shuffled), strict=True):
        assert sorted_rows(one) == sorted_rows(other)


# The check


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "changed", "problem"),
    [
        ("moment_counts", "excluded_count + 1000 as excluded_count", "more sessions with"),
        ("moment_counts", "session_count + 1000 as session_count", "more first actions than there are sessions"),
        ("seen_counts", "1000 * length(seen_action) + session_count as session_count", "more sessions had seen"),
        ("moment_counts", "excluded_converted_count + 1000 as excluded_converted_count", "more sessions with"),
        ("moment_counts", "session_count + 1 as converted_count", "more sessions with"),
        (
            "moment_counts",
            "1000 * length(signal) + session_count as session_count",
            "has more sessions than in session",
        ),
        ("seen_counts", "1000 * length(seen_action) + converted_count as converted_count", "more sessions had seen"),
        ("seen_counts", "session_count + 1000 as session_count", "seen_counts has more first actions than there are"),
    ],
)
def test_counts_that_do_not_add_up_are_found(
    sample_deployment: Deployment, tmp_path: Path, name: str, changed: str, problem: str
) -> None:
    day = date(2026, 10, 5)
    with open_run(sample_deployment.copied_to(tmp_path / "data").folder, run_id="test") as run:
        assert moments_add_up(run, [day]).holds
        partition = run.store.partitions[Key(name, day)]
        path = run.store.scratch / "changed.parquet"
        with run.engine.job() as job:
            job.add_input(table(name), [run.store.path_of(partition)])
            count = job.write(table(name), f"select * replace ({changed}) from {name}", path)
        written = Written(partition.key, path, count, partition.fingerprint, dict(partition.parts), {}, "a test")
        run.store.commit([written], run_id="test")
        assert any(problem in each for each in moments_add_up(run, [day]).problems)
