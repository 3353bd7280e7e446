"""Tests days that were not built in time: missed schedule ticks, a canceled and resumed backfill, late files.

The schedule and the sensors are evaluated as the daemon does. Their run requests are executed in this process.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from dagster._utils.interrupts import capture_interrupts

from session_pipeline.build.builder import Built
from session_pipeline.defs import resources, tags, waiting
from session_pipeline.run import opened
from session_pipeline.run.pipeline import open_store
from session_pipeline.run.run import Run
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEPS
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import QUIET, SMALL, Orchestrated, command_line, orchestrated, shop_lines
from session_pipeline_tests.reliability.figures import effort, record

FIRST = date(2024, 5, 6)
NIGHT = timedelta(days=1)
HISTORY = min(365, 20 * effort())  # days; a full year from PIPELINE_TESTS_EFFORT=19 on
ROUNDS = 10
Request = dg.RunRequest
OnBuild = Callable[[Step, date | None, Built], None]


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Orchestrated]:
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", 0)
    with orchestrated(tmp_path / "data") as made:
        yield made


# The schedule


@pytest.mark.reliability
@pytest.mark.parametrize("missed", [3, 10])
def test_schedule_catches_up_on_missed_nights(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch, missed: int
) -> None:
    deliver(deployment, FIRST)
    it_is_night_after(monkeypatch, FIRST)
    nightly(deployment)
    for number in range(1, 1 + missed):
        deliver(deployment, FIRST + number * NIGHT)  # the schedule does not tick in the night after
    last = FIRST + (1 + missed) * NIGHT
    deliver(deployment, last)
    it_is_night_after(monkeypatch, last)
    files_and_ledger = 2  # small files are committed together
    with builds_counted(deployment, others=files_and_ledger) as counted:
        assert nightly(deployment) == ["ingest", "build"], "one run makes up for all of them"
    assert max(counted.values()) == 1
    days = {FIRST + number * NIGHT for number in range(2 + missed)}
    assert {day for step, day in counted if step == "sessionize"} == days - {FIRST}
    assert {key.date for key in partitions(deployment) if key.table == "sessions"} == days
    assert_equal_to_a_clean_run(deployment, last)


def it_is_night_after(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    """Set the clock that decides which days are over."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime(day.year, day.month, day.day, 3, tzinfo=UTC) + NIGHT

    monkeypatch.setattr(opened, "datetime", Clock)


def nightly(deployment: Orchestrated) -> list[str]:
    """Run the requests of the schedule, then those of the sensors until there are none; return the jobs that ran."""
    with dg.build_schedule_context(deployment.instance, datetime.now(UTC)) as context:
        definitions = deployment.definitions()
        tick = definitions.get_repository_def().get_schedule_def("daily").evaluate_tick(context)
    requests = tick.run_requests or []
    for request in requests:
        assert deployment.execute("ingest", request.tags).success
    return ["ingest"] * len(requests) + until_quiet(deployment)


# A long backfill


@pytest.mark.long
def test_backfill_can_be_canceled_without_a_signal_and_resumed(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    canceled_and_resumed(deployment, monkeypatch, 2, is_signal_lost=True)


@pytest.mark.reliability
@pytest.mark.timeout(36_000)
def test_canceled_long_backfill_builds_each_day_once(deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch) -> None:
    canceled_and_resumed(deployment, monkeypatch, HISTORY)
    record(backfill_days=HISTORY)


def canceled_and_resumed(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch, day_count: int, *, is_signal_lost: bool = False
) -> None:
    monkeypatch.setattr(resources, "ASK_SECONDS", 0)
    days = [FIRST + number * NIGHT for number in range(day_count)]
    deliver(deployment, *days)
    assert deployment.ingest().success
    half = sum(step.is_daily for step in STEPS) * day_count // 2
    run_id = str(uuid4())

    def cancel_half_way(step: Step, day: date | None, built: Built) -> None:
        if counted.total() == half:
            # Does what the run launcher and the run's process do when a user cancels the run.
            deployment.instance.report_run_canceling(run_of(deployment, run_id))
            if not is_signal_lost:
                os.kill(os.getpid(), signal.SIGINT)

    with builds_counted(deployment, cancel_half_way) as counted:
        [request] = evaluate(deployment, "stale_days")
        assert (request.tags[tags.RANGE_START], request.tags[tags.RANGE_END]) == (str(days[0]), str(days[-1] + NIGHT))
        with capture_interrupts():
            execute(deployment, request, run_id)
        assert run_of(deployment, run_id).status is dg.DagsterRunStatus.CANCELED
        kept = partitions(deployment)
        assert half <= counted.total() <= half + 1
        assert not deployment.folder.warehouse.exists(), "readers are not given half a state"

        assert evaluate(deployment, "stale_days") == [], "who cancels does not want it again at once"
        monkeypatch.setattr(waiting, "FIRST_WAIT", timedelta(0))
        [request] = evaluate(deployment, "stale_days")
        assert execute(deployment, request).success

    assert max(counted.values()) == 1, "no day of a table was built twice"
    assert {step for step, _ in counted} == {step.name for step in STEPS}
    now = partitions(deployment)
    assert {key: now[key] for key in kept if key.date} == {key: item for key, item in kept.items() if key.date}
    assert evaluate(deployment, "stale_days") == []
    assert_equal_to_a_clean_run(deployment)


# A late file


@pytest.mark.reliability
def test_late_file_gives_equal_tables_by_run_schedule_and_sensor(deployment: Orchestrated, tmp_path: Path) -> None:
    deliver(deployment, FIRST, FIRST + NIGHT, FIRST + 9 * NIGHT)
    deployment.run()
    late = [
        line | {"event_id": f"late {number}", "event_time": f"{FIRST}T23:5{number}:00Z"}
        for number, line in enumerate(shop_lines(FIRST, visitors=9)[-4:])
    ]
    ways = {"run": by_command_line, "schedule": nightly, "landing": until_quiet}
    hashes = {}
    for name, work in ways.items():
        with orchestrated(tmp_path / name, copy_of=deployment) as copy:
            copy.deliver("late", late)
            work(copy)
            hashes[name] = copy.hashes()
            assert_equal_to_a_clean_run(copy)
    assert hashes["run"] == hashes["schedule"] == hashes["landing"] != deployment.hashes()


def by_command_line(deployment: Orchestrated) -> None:
    ended = command_line(deployment)
    assert ended.returncode == 0, ended.stderr


def deliver(deployment: Orchestrated, *days: date) -> None:
    for day in days:
        deployment.deliver(str(day), shop_lines(day, visitors=3))


def until_quiet(deployment: Orchestrated) -> list[str]:
    """Run the requests of the sensors until there are none, and return the jobs that ran."""
    ran: list[str] = []
    for _ in range(ROUNDS):
        asked = [("ingest", request) for request in evaluate(deployment, "landing")]
        asked = asked or [("build", request) for request in evaluate(deployment, "stale_days")]
        if not asked:
            return ran
        for job, request in asked:
            assert deployment.execute(job, request.tags, request.asset_selection).success
            ran.append(job)
    pytest.fail(f"the sensors find no rest: {ran}")


def evaluate(deployment: Orchestrated, name: str) -> Sequence[Request]:
    definitions = deployment.definitions()
    with dg.build_sensor_context(instance=deployment.instance, definitions=definitions) as context:
        return definitions.resolve_sensor_def(name).evaluate_tick(context).run_requests or []


def execute(deployment: Orchestrated, request: Request, run_id: str | None = None) -> dg.ExecuteInProcessResult:
    job = deployment.definitions().resolve_job_def("build")
    return job.execute_in_process(
        instance=deployment.instance, run_config=QUIET, tags=request.tags, run_id=run_id, raise_on_error=False
    )


def run_of(deployment: Orchestrated, run_id: str) -> dg.DagsterRun:
    run = deployment.instance.get_run_by_id(run_id)
    assert run is not None
    return run


@contextmanager
def builds_counted(
    deployment: Orchestrated, then: OnBuild = lambda step, day, built: None, others: int = 0
) -> Iterator[Counter[tuple[str, date | None]]]:
    """Count the builds of each step and day within the block.

    At the end, the catalog must have changed once per stretch of days and `others` more times.
    """
    counted: Counter[tuple[str, date | None]] = Counter()
    commits: set[int] = set()

    original = Run.build

    def build(
        run: Run,
        step: Step,
        days: Sequence[date | None],
        *,
        force: bool = False,
        on_built: Callable[[Built], None] = lambda built: None,
    ) -> list[Built]:
        def count(built: Built) -> None:
            on_built(built)
            if built.was_built:
                counted[step.name, built.day] += 1
                commits.update(partition.generation for partition in built.partitions.values())
                then(step, built.day, built)

        return original(run, step, days, force=force, on_built=count)

    before = generation(deployment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "build", build)
        yield counted
    assert generation(deployment) - before == len(commits) + others


def generation(deployment: Orchestrated) -> int:
    """Return the number of changes of the catalog so far. Each stretch of a step is one change."""
    store = open_store(deployment.folder)
    number = store.catalog.generation()
    store.close()
    return number


def partitions(deployment: Orchestrated) -> dict[Any, Any]:
    store = open_store(deployment.folder)
    store.close()
    return {key: (item.sha256, item.generation) for key, item in store.partitions.items()}


def assert_equal_to_a_clean_run(deployment: Orchestrated, until: date | None = None) -> None:
    clean = Deployment(deployment.folder.path.parent / f"clean {uuid4()}", SMALL)
    for path in sorted((deployment.folder.raw / "test").iterdir()):
        clean.deliver(path.stem, path.read_text().splitlines())
    clean.run(until)
    assert deployment.hashes() == clean.hashes()
