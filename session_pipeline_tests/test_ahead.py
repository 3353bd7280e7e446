"""Tests that a second thread computes steps ahead, and that this never changes a byte of the store."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import cycle, islice
from pathlib import Path
from random import Random
from threading import current_thread, main_thread
from time import sleep
from typing import Any

import duckdb
import pytest

from session_pipeline.build import ahead, stale_days
from session_pipeline.build.runner import Computed, Rows, StepRunner
from session_pipeline.build.second_thread import SecondThread
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.errors import MemoryTooSmallError
from session_pipeline.reference.days import Calendar
from session_pipeline.run.pipeline import open_run
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEPS, steps_of
from session_pipeline_tests.built_week import UNTIL, clean, day_of_events, event
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.hostile_days import PLACES, TIMINGS, events_of, settings_of

FIRST, LAST = 5, 8  # of October 2026
STEP_OF_NAME = {step.name: step for step in STEPS}
compute = StepRunner.compute
Days = Sequence[date | None]


def build_week(folder: Path) -> Deployment:
    deployment = Deployment(folder)
    for day in range(FIRST, LAST + 1):
        deployment.deliver(f"day-{day}", day_of_events(day))
    deployment.run(UNTIL, publishes=False)
    return deployment


@pytest.fixture(scope="module")
def of_one_thread(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Return a week that is built in one thread. Read only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DuckDBEngine, "second_jobs", lambda self: None)
        return build_week(tmp_path_factory.mktemp("one thread") / "data")


@pytest.fixture(scope="module")
def hashes(of_one_thread: Deployment) -> dict[str, str]:
    return of_one_thread.hashes()


@pytest.fixture(autouse=True)
def in_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deployment, "in_two_threads", True)


class Used:
    """Notes which results of the second thread a run used."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        fetch = SecondThread.fetch

        def noting(second: SecondThread, name: Any, read: object) -> Computed | None:
            found = fetch(second, name, read)
            if found is not None:
                self.steps.append(name[0])
            return found

        patch.setattr(SecondThread, "fetch", noting)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Used:
    return Used(monkeypatch)


def slow_first_thread(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let each step take longer in the first thread, so that the second one computes all it can."""

    def slow(runner: StepRunner, step: Step, days: Days, inputs: Mapping[str, Rows]) -> Computed:
        if current_thread() is main_thread():
            sleep(seconds)
        return compute(runner, step, days, inputs)

    patch.setattr(StepRunner, "compute", slow)


@pytest.mark.long
def test_steps_computed_ahead_have_equal_bytes(
    hashes: dict[str, str], used: Used, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_first_thread(monkeypatch, 0.2)
    assert build_week(tmp_path).hashes() == hashes
    assert len(used.steps) >= 10


@pytest.mark.nightly
def test_slow_second_thread_changes_no_byte(
    hashes: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(runner: StepRunner, step: Step, days: Days, inputs: Mapping[str, Rows]) -> Computed:
        if current_thread() is not main_thread():
            sleep(0.1)
        return compute(runner, step, days, inputs)

    monkeypatch.setattr(StepRunner, "compute", slow)
    assert build_week(tmp_path).hashes() == hashes


@pytest.mark.parametrize(
    "is_late",
    [
        pytest.param(False, marks=pytest.mark.nightly, id="before it writes"),
        pytest.param(True, marks=pytest.mark.long, id="after it wrote"),
    ],
)
def test_failures_of_the_second_thread_are_repaired_by_the_first(
    is_late: bool, hashes: dict[str, str], used: Used, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[str] = []

    def fails(runner: StepRunner, step: Step, days: Days, inputs: Mapping[str, Rows]) -> Computed:
        if current_thread() is main_thread():
            return compute(runner, step, days, inputs)
        if is_late:
            compute(runner, step, days, inputs)
        failed.append(step.name)
        raise OSError("the disk is full")

    monkeypatch.setattr(StepRunner, "compute", fails)
    week = build_week(tmp_path)
    assert week.hashes() == hashes
    assert list((week.folder.store / "scratch").rglob("*.parquet")) == []
    assert failed
    assert used.steps == []


@pytest.mark.parametrize(
    "lengths",
    [
        pytest.param((2,), marks=pytest.mark.long),
        *(pytest.param(lengths, marks=pytest.mark.nightly) for lengths in ((1,), (3, 1))),
    ],
    ids=str,
)
def test_steps_of_several_stretches_have_equal_bytes(
    lengths: tuple[int, ...], hashes: dict[str, str], used: Used, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine keeps the rows of one stretch of a table, so the threads must not compute two of several days."""
    slow_first_thread(monkeypatch, 0.01)
    wanted = cycle(lengths)
    monkeypatch.setattr(stale_days, "first_stretch", lambda days, events_of, scale: tuple(islice(days, next(wanted))))
    assert build_week(tmp_path).hashes() == hashes
    if lengths == (1,):
        assert len(used.steps) >= 10


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.nightly if seed else pytest.mark.long) for seed in range(5)]
)
def test_threads_that_pause_anywhere_give_the_bytes_of_one_thread(
    seed: int, used: Used, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hostile events, delivered in three runs, with the last days first; and at once, built in one thread."""
    random = Random(seed)
    timezone, first = PLACES[seed]
    days = [first + timedelta(days=offset) for offset in range(7)]
    settings = settings_of(random, timezone, first, TIMINGS[seed])
    lines = sorted(
        events_of(random, Calendar(timezone), days, TIMINGS[seed][0]), key=lambda line: str(line["event_time"])
    )
    third = len(lines) // 3
    pauses = {True: Random(seed + 100), False: Random(seed + 200)}  # one for each thread

    def pausing(runner: StepRunner, step: Step, days: Days, inputs: Mapping[str, Rows]) -> Computed:
        pause = pauses[current_thread() is main_thread()]
        sleep(pause.choice((0, 0, 0.01, 0.1)))
        computed = compute(runner, step, days, inputs)
        sleep(pause.choice((0, 0, 0.01, 0.1)))
        return computed

    until = days[-1] + timedelta(days=1)
    in_two, in_one = Deployment(tmp_path / "two", settings), Deployment(tmp_path / "one", settings)
    with monkeypatch.context() as patch:
        patch.setattr(StepRunner, "compute", pausing)
        for number, some in enumerate((lines[2 * third :], lines[:third], lines[third : 2 * third])):
            for deployment in (in_two, in_one):
                deployment.deliver(f"web/{number}.jsonl", some)
            in_two.run(until, publishes=False)
    assert len(used.steps) >= 10
    monkeypatch.setattr(DuckDBEngine, "second_jobs", lambda engine: None)
    in_one.run(until, publishes=False)
    assert in_two.hashes() == in_one.hashes()


@pytest.mark.long
def test_failure_of_both_threads_is_that_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(runner: StepRunner, step: Step, days: Days, inputs: Mapping[str, Rows]) -> Computed:
        if step.name == "friction":
            raise ValueError("first" if current_thread() is main_thread() else "second")
        return compute(runner, step, days, inputs)

    monkeypatch.setattr(StepRunner, "compute", fails)
    with pytest.raises(ValueError, match="first"):
        build_week(tmp_path)


@pytest.mark.long
def test_late_events_and_a_new_day_give_the_bytes_of_a_clean_run(
    of_one_thread: Deployment, used: Used, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_first_thread(monkeypatch, 0.02)
    week = of_one_thread.copied_to(tmp_path / "week")
    week.deliver("late", [event("v1", "2026-10-07T11:25:00Z", 9999), event("w", "2026-10-08T23:59:50Z", 1)])
    week.deliver("day-9", day_of_events(9))
    week.run(UNTIL, publishes=False)
    assert used.steps
    assert week.hashes() == clean(week, tmp_path / "clean")


@pytest.mark.long
def test_damaged_input_is_repaired_while_the_second_thread_works(of_one_thread: Deployment, tmp_path: Path) -> None:
    week = of_one_thread.copied_to(tmp_path / "week")
    for path in sorted((week.folder.store / "session_actions").rglob("*.parquet")):
        path.write_bytes(b"damaged")
    week.deliver("day-9", day_of_events(9))
    week.run(UNTIL, publishes=False)
    assert week.hashes() == clean(week, tmp_path / "clean")


@pytest.mark.nightly
def test_days_of_another_range_are_not_built_during_a_task_of_the_same_step(
    hashes: dict[str, str], used: Used, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would keep rows of several days in one table. Such days are built when a step misses them as inputs."""
    deployment = Deployment(tmp_path)
    for day in range(FIRST, LAST + 1):
        deployment.deliver(f"day-{day}", day_of_events(day))
    at_work, done = [], []

    def slow(runner: StepRunner, step: Step, days: Days, inputs: Mapping[str, Rows]) -> Computed:
        if current_thread() is main_thread():
            assert step.name not in at_work
            return compute(runner, step, days, inputs)
        at_work.append(step.name)
        sleep(0.3)
        computed = compute(runner, step, days, inputs)
        at_work.remove(step.name)
        done.append(step.name)
        return computed

    monkeypatch.setattr(StepRunner, "compute", slow)
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        days = run.plan().days
        run.begin_ahead(days[0], days[-1])
        for step in steps_of(run.settings):
            for name in at_work[:1]:
                if STEP_OF_NAME[name].is_daily:
                    run._work.builder.build_all(STEP_OF_NAME[name], days[2:4])
            run.build(step, days if step.is_daily else (None,))
    assert done
    assert deployment.hashes() == hashes


@pytest.mark.nightly
def test_big_days_are_computed_in_one_thread(
    hashes: dict[str, str], used: Used, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_first_thread(monkeypatch, 0.02)
    monkeypatch.setattr(ahead, "MOST_EVENTS", 8)  # a day of the week has 9
    assert build_week(tmp_path).hashes() == hashes
    assert used.steps == []


@pytest.mark.long
def test_step_that_fails_while_the_second_thread_works_is_computed_again_alone(
    hashes: dict[str, str], used: Used, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both threads share the memory limit."""
    failed: list[str] = []
    used_before: list[str] = []

    def fails_once(runner: StepRunner, step: Step, days: Days, inputs: Mapping[str, Rows]) -> Computed:
        if current_thread() is not main_thread():
            sleep(0.02)  # so that the first thread has steps to compute
        elif not failed:
            failed.append(step.name)
            used_before[:] = used.steps
            compute(runner, step, days, inputs)
            raise duckdb.OutOfMemoryException("could not allocate block")
        return compute(runner, step, days, inputs)

    monkeypatch.setattr(StepRunner, "compute", fails_once)
    assert build_week(tmp_path).hashes() == hashes
    assert failed
    assert used.steps == used_before


@pytest.mark.long
def test_step_that_fails_alone_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(runner: StepRunner, step: Step, days: Days, inputs: Mapping[str, Rows]) -> Computed:
        if step.name == "session_actions":
            raise duckdb.OutOfMemoryException("could not allocate block")
        return compute(runner, step, days, inputs)

    monkeypatch.setattr(StepRunner, "compute", fails)
    with pytest.raises(MemoryTooSmallError, match="could not allocate block"):
        build_week(tmp_path)


@pytest.mark.nightly
def test_one_thread_in_the_settings_is_kept(used: Used, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_first_thread(monkeypatch, 0.02)
    deployment = Deployment(tmp_path, {"resources": {"threads": 1}})
    deployment.deliver("day", day_of_events(5))
    deployment.run(UNTIL, publishes=False)
    assert used.steps == []


@pytest.mark.long
def test_interrupt_ends_a_run_whose_second_thread_works(
    hashes: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = []

    def interrupted(runner: StepRunner, step: Step, days: Days, inputs: Mapping[str, Rows]) -> Computed:
        if current_thread() is main_thread():
            if at_work:
                raise KeyboardInterrupt
            return compute(runner, step, days, inputs)
        at_work.append(step.name)
        sleep(0.5)
        computed = compute(runner, step, days, inputs)
        at_work.remove(step.name)
        return computed

    monkeypatch.setattr(StepRunner, "compute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_week(tmp_path)
    assert not at_work
    monkeypatch.undo()
    again = Deployment.at(tmp_path)
    again.run(UNTIL, publishes=False)
    assert again.hashes() == hashes  # of the same events
