"""Old runs and messages are deleted; the latest result of each day and check, and all other runs, stay."""

import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import dagster as dg
import pytest
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import alerts, event_log, history, home, retention
from session_pipeline.defs.local_runs import QUIET, instance_of
from session_pipeline.settings import AlertSettings, HistorySettings
from session_pipeline_tests.orchestration import SMALL, instance_in, orchestrated, shop_lines
from session_pipeline_tests.simulation.simulated_clock import Clock, simulated

FIRST = date(2024, 5, 6)
DAYS = dg.DailyPartitionsDefinition(str(FIRST))
EVENTS, WAREHOUSE = dg.AssetKey("events"), dg.AssetKey("warehouse")
CHECK = dg.AssetCheckKey(EVENTS, "is_complete")
RANGE = {"dagster/asset_partition_range_start": str(FIRST), "dagster/asset_partition_range_end": str(FIRST)}
KEEP = HistorySettings(keep_days=5)


@dg.multi_asset(
    specs=[dg.AssetSpec(EVENTS, partitions_def=DAYS)], backfill_policy=dg.BackfillPolicy.single_run(), name="build"
)
def events(context: dg.AssetExecutionContext) -> Any:
    for key in context.partition_keys:
        context.add_asset_metadata({"run": context.run.run_id}, asset_key=EVENTS, partition_key=key)
    yield dg.MaterializeResult(asset_key=EVENTS)


@dg.multi_asset(specs=[dg.AssetSpec(WAREHOUSE, deps=[EVENTS])])
def publish() -> Any:
    yield dg.MaterializeResult(asset_key=WAREHOUSE, tags={"kind": "test"})


@dg.asset_check(asset=EVENTS, name=CHECK.name)
def is_complete(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    passed = "incomplete" not in context.run.tags
    return dg.AssetCheckResult(passed=passed, description="complete" if passed else "lines are missing")


JOB = dg.Definitions([events, publish], asset_checks=[is_complete], jobs=[dg.define_asset_job("build")])


@dataclass
class Home:
    """A history of nights, on a simulated clock."""

    folder: DataFolder
    instance: dg.DagsterInstance
    clock: Clock

    def night(self, number: int, first: int | None = None, **tags: str) -> str:
        """Run the night after day `number`: build the days from `first` to it."""
        self.clock.set(datetime(FIRST.year, FIRST.month, FIRST.day, 3, tzinfo=UTC) + timedelta(days=number + 1))
        key, first_key = (
            str(FIRST + timedelta(days=number)),
            str(FIRST + timedelta(days=number if first is None else first)),
        )
        range_tags = {"dagster/asset_partition_range_start": first_key, "dagster/asset_partition_range_end": key}
        result = JOB.resolve_job_def("build").execute_in_process(
            instance=self.instance,
            tags={**range_tags, **tags},
            run_config=QUIET,
        )
        assert result.success
        return result.run_id

    def delete(self, settings: HistorySettings = KEEP) -> int:
        said: list[str] = []
        count = retention.delete_old_runs(self.instance, settings, said.append)
        assert not said
        return count

    def latest(self) -> dict[str, Any]:
        """Return all that must stay: the latest of each partition, asset and check, as Dagster and `status` see it."""
        storage = self.instance.event_log_storage
        days = storage.get_latest_storage_id_by_partition(EVENTS, dg.DagsterEventType.ASSET_MATERIALIZATION)
        figures = {}
        for day in days:
            of_day = dg.AssetRecordsFilter(EVENTS, asset_partitions=[day])
            [record] = self.instance.fetch_materializations(of_day, limit=1).records
            figures[day] = (record.run_id, record.timestamp, record.asset_materialization)
        check = storage.get_latest_asset_check_execution_by_key([CHECK])[CHECK]
        return {
            "days": days,
            "partitions": storage.get_materialized_partitions(EVENTS),
            "data versions": storage.get_latest_tags_by_partition(
                EVENTS, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
            ),
            "figures": figures,
            "warehouse": self.instance.get_latest_materialization_event(WAREHOUSE),
            "warehouse event": self.instance.fetch_materializations(WAREHOUSE, limit=1).records,
            "check": check,
            "failed": history.failed_checks(self.folder, [(CHECK.name, EVENTS.to_user_string())]),
        }

    def runs(self) -> set[str]:
        return set(self.instance.get_run_ids())

    def files(self) -> set[str]:
        """Return the ids of the runs that have files."""
        runs = {path.stem for path in (self.folder.dagster_home / "history" / "runs").glob("*.db")} - {"index"}
        return runs | {path.name for path in (self.folder.dagster_home / "storage").glob("*")}


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setattr(retention, "ALWAYS_KEPT", 1)
    folder = DataFolder(tmp_path / "data")
    with simulated(datetime(2024, 5, 7, tzinfo=UTC)) as clock, instance_in(folder) as instance:
        yield Home(folder, instance, clock)


@pytest.mark.long
def test_latest_results_and_newer_runs_stay(nights: Home) -> None:
    runs = [nights.night(number, first=max(number - 1, 0)) for number in range(5)]
    runs += [nights.night(number, incomplete="") for number in range(5, 10)]
    nights.instance.create_run_for_job(JOB.resolve_job_def("build"))  # plans a check; never started
    unfinished = nights.runs() - set(runs)
    nights.clock.go_on(timedelta(days=3, hours=1))
    for run in runs:
        (nights.folder.dagster_home / "storage" / run).mkdir(parents=True, exist_ok=True)
    before = nights.latest()
    logs = {run: nights.instance.all_logs(run) for run in runs[-2:]}
    assert before["failed"]
    assert nights.delete() == 8
    assert nights.latest() == before
    assert nights.runs() == {*runs[-2:], *unfinished}
    assert nights.files() - unfinished == set(runs[-2:])
    assert {run: nights.instance.all_logs(run) for run in runs[-2:]} == logs
    assert nights.delete() == 0


def test_unfinished_runs_stay_at_any_age(nights: Home) -> None:
    nights.night(0)
    job, statuses = JOB.resolve_job_def("build"), (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING)
    unfinished = {nights.instance.create_run_for_job(job, status=status).run_id for status in statuses}
    nights.clock.go_on(timedelta(days=365))
    assert nights.delete() == 1
    assert nights.runs() == unfinished


def test_latest_runs_stay_at_any_age(nights: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ALWAYS_KEPT", 2)
    runs = [nights.night(number) for number in range(4)]
    nights.clock.go_on(timedelta(days=3650))
    assert nights.delete(HistorySettings(keep_days=0)) == 0, "0 keeps all"
    assert nights.delete() == 2
    assert nights.runs() == set(runs[2:])


def test_old_messages_of_ticks_are_deleted(nights: Home) -> None:
    messages = LocalComputeLogManager(str(nights.folder.dagster_home / "storage"))
    written = []
    for number in range(3):
        nights.night(number)
        tick = [JOB.get_repository_def().name, "landing", str(number)]
        with messages.open_log_stream(tick, ComputeIOType.STDERR) as file:
            assert file is not None
            file.write("1 file to read\n")
        written.append(Path(file.name))
        os.utime(file.name, (time.time(), time.time()))  # the simulated clock, which files do not have by themselves
    nights.clock.go_on(timedelta(days=3, hours=12))
    assert nights.delete(HistorySettings(keep_days=0)) == 0
    assert [path.exists() for path in written] == [True, True, True]
    assert nights.delete() == 1
    assert [path.exists() for path in written] == [False, True, True]


@pytest.mark.long
def test_a_long_history_is_deleted_in_portions(nights: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MOST_AT_ONCE", 2)
    runs = [nights.night(number) for number in range(5)]
    nights.clock.go_on(timedelta(days=365))
    before = nights.latest()
    assert [nights.delete(), nights.delete()] == [2, 2]
    assert nights.runs() == {runs[-1]}
    assert nights.latest() == before


@pytest.mark.long
def test_what_was_kept_of_a_deleted_run_goes_when_it_is_superseded(nights: Home) -> None:
    first, *_ = [nights.night(number) for number in range(3)]
    nights.clock.go_on(timedelta(days=30))
    nights.delete()
    assert first in nights.instance.event_log_storage.run_ids()  # type: ignore[attr-defined]
    nights.night(40, first=0)
    nights.night(41)
    nights.clock.go_on(timedelta(days=30))
    before = nights.latest()
    nights.delete()
    assert nights.latest() == before
    assert first not in nights.instance.event_log_storage.run_ids()  # type: ignore[attr-defined]


def test_deleting_a_run_by_hand_keeps_which_days_are_built(nights: Home) -> None:
    """Whatever deletes the run, also the UI; the newest event keeps its id, so that cursors stay valid."""
    runs = [nights.night(number) for number in range(2)]
    before = nights.latest()
    newest = nights.instance.event_log_storage.get_maximum_record_id()
    for run in runs:
        nights.instance.delete_run(run)
    assert nights.latest() == before
    assert nights.runs() == set()
    assert [path.stem for path in (nights.folder.dagster_home / "history" / "runs").glob("*.db")] == ["index"]
    assert nights.instance.event_log_storage.get_maximum_record_id() == newest


def test_alerts_are_sent_once_each(nights: Home, tmp_path: Path) -> None:
    heard = tmp_path / "heard.jsonl"
    settings = AlertSettings(command=("/bin/sh", "-c", f"cat >> '{heard}'"), time_limit_seconds=20)

    def send() -> int:
        return alerts.send_new(nights.instance, nights.folder, settings, pytest.fail)

    nights.night(0)
    assert send() == 0
    nights.night(1, incomplete="")
    assert send() == 1
    nights.night(2, incomplete="")  # not looked at before it is deleted
    nights.night(3)
    nights.clock.go_on(timedelta(days=30))
    nights.delete()
    assert send() == 0
    nights.night(40, incomplete="")
    nights.delete()
    assert [send(), send()] == [1, 0]
    assert [json.loads(line)["what"] for line in heard.read_text().splitlines()] == ["check_failed"] * 2


class Killed(BaseException):
    """Ends the call as a kill would."""


@pytest.mark.parametrize(
    ("place", "name"),
    [(event_log, "_delete"), (os, "unlink"), (shutil, "rmtree"), ("run storage", "delete_run")],
)
@pytest.mark.parametrize("at", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_a_killed_call_loses_nothing_and_is_completed(
    nights: Home, place: Any, name: str, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [nights.night(number) for number in range(3)]
    for run in runs:
        (nights.folder.dagster_home / "storage" / run).mkdir(parents=True, exist_ok=True)
    nights.clock.go_on(timedelta(days=30))
    before = nights.latest()
    place = nights.instance.run_storage if place == "run storage" else place
    original, calls = getattr(place, name), []

    def killed(*args: Any, **more: Any) -> Any:
        calls.append(args)
        if len(calls) == at:
            raise Killed
        return original(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(place, name, killed)
        with pytest.raises(Killed):
            nights.delete()
    assert nights.latest() == before
    nights.delete()
    assert nights.latest() == before
    assert nights.runs() == nights.files() == {runs[-1]}


def test_an_error_is_logged_and_ends_nothing(nights: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        nights.night(number)
    nights.clock.go_on(timedelta(days=30))
    monkeypatch.setattr(event_log, "_delete", Mock(side_effect=OSError(28, "No space left on device")))
    said: list[str] = []
    assert retention.delete_old_runs(nights.instance, KEEP, said.append) == 0
    assert said == ["could not delete old runs: OSError: [Errno 28] No space left on device"]
    assert len(nights.runs()) == 2


@pytest.mark.long
def test_dagsters_own_event_log_is_left_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.dagster_home.mkdir(parents=True)
    home.settings_of(folder).write_text(
        "event_log_storage:\n  module: dagster._core.storage.event_log\n  class: SqliteEventLogStorage\n"
        f"  config:\n    base_dir: {folder.dagster_home}/history/runs\ntelemetry:\n  enabled: false\n"
    )
    with simulated(datetime(2024, 5, 7, tzinfo=UTC)) as clock, instance_in(folder) as instance:
        nights = Home(folder, instance, clock)
        for number in range(2):
            nights.night(number)
        clock.go_on(timedelta(days=365))
        assert nights.delete() == 0
        assert len(nights.runs()) == 2


@pytest.mark.long
def test_each_night_adds_only_its_latest_results(nights: Home) -> None:
    """After the first nights, each night adds its latest results only: less than 10 KB, where a run has 200 KB."""
    sizes = []
    for number in range(40):
        nights.night(number, first=max(number - 1, 0))
        nights.delete()
        if number in (19, 39):
            nights.instance.event_log_storage.dispose()
            kept_runs = nights.files()  # one more or less, and each has a file of its own
            files = [path for path in nights.folder.dagster_home.rglob("*") if path.is_file()]
            sizes.append(sum(path.stat().st_size for path in files if path.stem not in kept_runs))
    assert nights.runs() == nights.files()
    assert len(nights.runs()) in (KEEP.keep_days, KEEP.keep_days + 1)
    assert len(nights.latest()["partitions"]) == 40
    assert sizes[1] - sizes[0] < 20 * 10_000, sizes
    assert sum(path.stat().st_size for path in files) < 3_000_000


def _write_runs(folder: Path) -> None:
    event_log.hand_over_in_batches()
    with instance_of(DataFolder(folder)) as instance:
        for _ in range(3):
            assert (
                JOB.resolve_job_def("build").execute_in_process(instance=instance, run_config=QUIET, tags=RANGE).success
            )


@pytest.mark.long
def test_other_processes_write_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ALWAYS_KEPT", 1)
    monkeypatch.setattr(retention, "MOST_AT_ONCE", 2)
    folder, now = DataFolder(tmp_path / "data"), datetime.now(UTC)
    with simulated(datetime(2024, 5, 7, tzinfo=UTC)) as clock, instance_in(folder) as instance:
        nights = Home(folder, instance, clock)
        for number in range(6):
            nights.night(number)
        days = nights.latest()["partitions"]
        clock.set(now)
        writer = multiprocessing.get_context("spawn").Process(target=_write_runs, args=(folder.path,))
        writer.start()
        deleted = 0
        while writer.is_alive():
            deleted += nights.delete()
            writer.join(0.5)
        assert writer.exitcode == 0
        assert deleted > 0
        while count := nights.delete():  # what it was too quick for
            deleted += count
        assert deleted == 6
        assert nights.latest()["partitions"] == days
        assert [run.status for run in instance.get_runs(limit=3)] == [dg.DagsterRunStatus.SUCCESS] * 3


@pytest.mark.long
def test_ingest_deletes_old_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ALWAYS_KEPT", 1)
    day = date(2024, 5, 6)
    with (
        simulated(datetime(2024, 5, 7, 3, tzinfo=UTC)) as clock,
        orchestrated(tmp_path / "data", {**SMALL, "history": {"keep_days": 30}}) as deployment,
    ):
        deployment.deliver(str(day), shop_lines(day))
        assert deployment.ingest().success
        assert deployment.build().success
        seen = deployment.seen("sessions", day)
        clock.go_on(timedelta(days=29))
        assert deployment.ingest().success
        assert [run.job for run in history.last_runs(deployment.folder, 5)] == ["ingest", "build", "ingest"]
        clock.go_on(timedelta(days=2))
        last = deployment.ingest()
        assert last.success
        assert [run.job for run in history.last_runs(deployment.folder, 5)] == ["ingest", "ingest"]
        assert deployment.seen("sessions", day) == seen
        assert deployment.instance.all_logs(last.run_id)
