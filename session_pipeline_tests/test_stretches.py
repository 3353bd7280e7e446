"""Tests that days built together have the same bytes as days built alone, however the days are cut into stretches."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from session_pipeline.build import builder, stale_days
from session_pipeline.build.stretches import BIG_DAY_EVENTS, MOST_DAYS, MOST_EVENTS, first_stretch
from session_pipeline.engines import duckdb as engine
from session_pipeline.engines.duckdb_files import Statistics, write_days
from session_pipeline.reference.days import Calendar
from session_pipeline.tables import TABLES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.hostile_days import PLACES, TIMINGS, events_of, settings_of

FIRST = date(2026, 10, 5)
DAYS = [FIRST + timedelta(days=offset) for offset in range(3000)]


def counts(*events: int) -> Callable[[date], int]:
    return dict(zip(DAYS, events, strict=False)).__getitem__


# How days are cut


def test_small_neighbours_are_built_together() -> None:
    assert first_stretch(DAYS[:3], counts(10, 0, 20)) == tuple(DAYS[:3])


def test_big_day_is_a_stretch_of_its_own() -> None:
    events = counts(10, BIG_DAY_EVENTS + 1, 10)
    assert first_stretch(DAYS[:3], events) == (DAYS[0],)
    assert first_stretch(DAYS[1:3], events) == (DAYS[1],)


def test_stretch_is_limited_to_a_number_of_events() -> None:
    days = MOST_EVENTS // BIG_DAY_EVENTS
    assert len(first_stretch(DAYS[: days + 5], lambda day: BIG_DAY_EVENTS)) == days


def test_engine_that_builds_more_events_at_once_has_longer_stretches() -> None:
    days = MOST_EVENTS // BIG_DAY_EVENTS
    assert len(first_stretch(DAYS, lambda day: 2 * BIG_DAY_EVENTS, scale=2)) == days
    events = counts(10, 2 * BIG_DAY_EVENTS + 1, 10)
    assert first_stretch(DAYS[:3], events, scale=2) == (DAYS[0],)
    assert first_stretch(DAYS[1:3], events, scale=2) == (DAYS[1],)


def test_stretch_is_limited_to_a_number_of_days() -> None:
    assert len(first_stretch(DAYS, lambda day: 1)) == MOST_DAYS


def test_five_years_of_few_events_are_one_stretch() -> None:
    days = DAYS[: 5 * 366]
    assert first_stretch(days, lambda day: 100) == tuple(days)


# Hostile events

DAY_COUNT = 16
FEW_DAYS = 7
ALONE = (1,)
DAYS_AND_PAIRS = (1, 2)  # days alone and days that are built with the next one, both after other stretches
SEED_COUNT = int(os.environ.get("PIPELINE_TESTS_STRETCH_SEEDS", "0"))  # with many days, which take minutes


def build(
    folder: Path, settings: dict[str, Any], files: list[list[dict[str, Any]]], until: date
) -> tuple[Deployment, list[int]]:
    """Build everything; returns the deployment and the number of days of each stretch of sessionize."""
    deployment = Deployment(folder, settings)
    for number, lines in enumerate(files):
        deployment.deliver(f"web/{number}.jsonl", lines)
    lengths = []
    original = builder.Builder._build

    def recorded(self: builder.Builder, step: Any, stretch: Any) -> Any:
        if step.name == "sessionize":
            lengths.append(len(stretch))
        return original(self, step, stretch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder.Builder, "_build", recorded)
        deployment.run(until, publishes=False)
    return deployment, lengths


def cut_after(lengths: Iterable[int]) -> Callable[..., tuple[date, ...]]:
    """Return a replacement of first_stretch that returns stretches of these lengths, again and again."""
    wanted = list(lengths)

    def cut(days: Iterable[date], events_of: Any, scale: int) -> tuple[date, ...]:
        length = wanted[0]
        wanted.append(wanted.pop(0))
        return tuple(day for _, day in zip(range(length), days, strict=False))

    return cut


def cuts(random: Random, seed: int, day_count: int) -> Sequence[tuple[Sequence[int], Mapping[str, int]]]:
    """Return lengths of stretches, each with the limits of resources."""
    if seed == 0 and day_count == FEW_DAYS:  # one build, for a test that is not nightly
        return [(DAYS_AND_PAIRS, {"threads": 3})]
    drawn = [(random.choices(range(1, 7), k=5), {"threads": n}) for n in ((1, 3) if day_count == DAY_COUNT else (3,))]
    return [(ALONE, {}), *drawn]


@pytest.mark.parametrize(
    ("seed", "day_count"),
    [
        pytest.param(0, FEW_DAYS, marks=pytest.mark.long),
        pytest.param(1, FEW_DAYS, marks=pytest.mark.nightly),
        *(pytest.param(seed, DAY_COUNT, marks=pytest.mark.nightly) for seed in range(SEED_COUNT)),
    ],
)
def test_any_cut_into_stretches_gives_the_same_bytes(
    seed: int, day_count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    timezone, first = PLACES[seed % len(PLACES)]
    timing = TIMINGS[(seed + seed // len(PLACES)) % len(TIMINGS)]
    days = [first + timedelta(days=offset) for offset in range(day_count)]
    settings = settings_of(random, timezone, first, timing)
    lines = events_of(random, Calendar(timezone), days, timing[0])
    random.shuffle(lines)
    files = [lines[0::3], lines[1::3], lines[2::3]]
    until = days[-1] + timedelta(days=random.choice((0, 1, 3)))

    together, lengths = build(tmp_path / "together", settings, files, until)
    assert lengths[0] > day_count // 2, "many days are built together"
    for number, (cut, resources) in enumerate(cuts(random, seed, day_count)):
        monkeypatch.setattr(stale_days, "first_stretch", cut_after(cut))
        other, lengths = build(tmp_path / f"cut{number}", {**settings, "resources": resources}, files, until)
        assert set(lengths) == {1} if cut == ALONE else len(set(lengths)) > 1
        assert other.hashes() == together.hashes()
    figures = {name: len(together.table(name)) for name in ("duplicate_events", "open_sessions", "funnel_entries")}
    assert all(figures.values()), figures


@pytest.mark.long
def test_late_file_builds_only_its_days_and_where_the_carry_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = DAYS[:12]
    lines = [
        {
            "event_id": f"{day}{hour}",
            "event_name": "page_view",
            "visitor_id": "v",
            "event_time": f"{day}T{hour:02}:00:00Z",
        }
        for day in days
        for hour in (9, 12)
    ]
    deployment = Deployment(tmp_path / "data", {"start_date": days[0]}, only=("sessions",))
    deployment.deliver("web/all.jsonl", lines)
    deployment.run(days[-1])
    noon = {"event_id": "noon", "event_name": "page_view", "visitor_id": "v", "event_time": f"{days[2]}T12:01:00Z"}
    midnight = {
        "event_id": "midnight",
        "event_name": "page_view",
        "visitor_id": "w",
        "event_time": f"{days[8]}T23:50:00Z",
    }
    deployment.deliver("web/late.jsonl", [noon, midnight])
    built = deployment.run(days[-1])
    assert [day for step, day in built if step == "sessionize"] == [days[2], days[8], days[9]]
    deployment_of_once = Deployment(tmp_path / "once", {"start_date": days[0]}, only=("sessions",))
    deployment_of_once.deliver("web/all.jsonl", lines)
    deployment_of_once.deliver("web/late.jsonl", [noon, midnight])
    deployment_of_once.run(days[-1])
    assert deployment.hashes() == deployment_of_once.hashes()


def test_splitting_days_restores_the_settings_of_the_engine(tmp_path: Path) -> None:
    made = engine.DuckDBEngine(engine.Limits(threads=3), tmp_path)
    contract = TABLES["recent_event_ids"]
    days = {day: tmp_path / f"{day}.parquet" for day in DAYS[:5]}
    columns = ", ".join(f"cast(null as {column.type}) as {column.name}" for column in contract.columns)
    write_days(made.connection, Statistics(), contract, f"select {columns}, date '{DAYS[0]}' as event_date", days)
    assert made.connection.execute("select current_setting('threads')").fetchone() == (3,)
    assert made.connection.execute("select current_setting('disabled_optimizers')").fetchone() == ("",)
    assert len({path.read_bytes() for path in days.values()}) == 2
    made.close()
