"""The event log gives the same history as Dagster's own class, also when several processes write."""

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.schedules.sqlite import SqliteScheduleStorage
from dagster._serdes import deserialize_value, serialize_value
from sqlalchemy.engine.reflection import Inspector

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import event_log, home, partition_events
from session_pipeline.defs.event_log import EventLog
from session_pipeline.defs.local_runs import QUIET, instance_of
from session_pipeline.defs.storages import Runs
from session_pipeline_tests.crashes.killed_runs import PROCESSES

DAYS = dg.DailyPartitionsDefinition("2026-10-05", end_date="2026-10-25")
RANGE = {"dagster/asset_partition_range_start": "2026-10-05", "dagster/asset_partition_range_end": "2026-10-24"}


@dg.multi_asset(
    specs=[dg.AssetSpec(name, partitions_def=DAYS) for name in ("events", "sessions")],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def tables(context: dg.AssetExecutionContext) -> Any:
    values: list[Any] = [dg.MetadataValue.path("/file"), dg.MetadataValue.md("*text*"), dg.MetadataValue.json({"a": 1})]
    figures = {
        "events": {
            key: {"rows": number, "share": number / 7, "day": f"'{key}'", "value": values[number % 3]}
            for number, key in enumerate(context.partition_keys)
        },
        "sessions": {key: {} for key in context.partition_keys},
    }
    partition_events.record(context, figures)
    for name in ("events", "sessions"):
        yield dg.MaterializeResult(asset_key=name, tags={"kind": "test"})


@dg.asset_check(asset="events")
def check_of_events() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True, description="all is well")


JOB = dg.Definitions([tables], asset_checks=[check_of_events], jobs=[dg.define_asset_job("build")])


def execute(instance: dg.DagsterInstance) -> str:
    job = JOB.resolve_job_def("build")
    result = job.execute_in_process(instance=instance, tags=RANGE, run_config=QUIET)
    assert result.success
    return result.run_id


def seen(instance: dg.DagsterInstance, run_id: str) -> dict[str, Any]:
    """Return what Dagster reads from the history, without times and ids."""
    index = Path(instance.root_directory) / "history" / "runs" / "index.db"
    with closing(sqlite3.connect(index)) as connection:
        mirrored = connection.execute(
            "select dagster_event_type, step_key, asset_key, partition from event_logs order by id"
        ).fetchall()
        tags = connection.execute("select asset_key, key, event_id from asset_event_tags order by id").fetchall()
        keys = connection.execute("select asset_key, last_run_id = ? from asset_keys order by 1", [run_id]).fetchall()
    events = instance.all_logs(run_id)
    metadata = {}
    for name in ("events", "sessions"):
        records = instance.fetch_materializations(dg.AssetKey(name), limit=100).records
        metadata[name] = [(record.partition_key, record.asset_materialization.metadata) for record in records]  # type: ignore[union-attr]
    latest = instance.get_latest_materialization_event(dg.AssetKey("events"))
    assert latest is not None
    assert latest.asset_materialization is not None
    return {
        "events": [
            (event.dagster_event.event_type_value, event.step_key, event.dagster_event.partition)
            for event in events
            if event.dagster_event
        ],
        "mirrored": mirrored,
        "tags": tags,
        "asset keys": keys,
        "metadata": metadata,
        "latest": latest.asset_materialization.partition,
        "counts": instance.event_log_storage.get_materialized_partitions(dg.AssetKey("events")),
    }


@pytest.mark.long
def test_history_is_equal_to_that_of_dagster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    with dg.DagsterInstance.from_config(str(_home(tmp_path / "dagsters"))) as theirs:
        assert type(theirs.event_log_storage) is SqliteEventLogStorage
        expected = seen(theirs, execute(theirs))
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    batches = []
    original = EventLog.store_event_batch
    monkeypatch.setattr(
        EventLog, "store_event_batch", lambda log, events: (batches.append(len(events)), original(log, events))
    )
    with instance_of(DataFolder(tmp_path / "ours")) as ours:
        assert seen(ours, execute(ours)) == expected
    assert batches == [3, 1, 1], "what is planned of two tables and a check, and the days of each table"


def test_stored_events_are_as_dagster_serializes_them(tmp_path: Path) -> None:
    with instance_of(DataFolder(tmp_path / "ours")) as ours:
        run_id = execute(ours)
    for database in ("index", run_id):
        with closing(
            sqlite3.connect(tmp_path / "ours" / "dagster_home" / "history" / "runs" / f"{database}.db")
        ) as rows:
            found = rows.execute("select event, partition, timestamp from event_logs").fetchall()
        assert len(found) > 60
        for text, partition, timestamp in found:
            event = deserialize_value(text, EventLogEntry)
            assert serialize_value(event) == text
            assert datetime.fromisoformat(timestamp).replace(tzinfo=UTC).timestamp() == pytest.approx(event.timestamp)
            assert partition == (event.dagster_event.partition if event.dagster_event else None)


@pytest.mark.long
def test_columns_of_dagsters_tables_are_listed_once_for_each_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: Counter[str] = Counter()
    get_columns = Inspector.get_columns

    def counted(inspector: Inspector, table: str, *arguments: Any, **options: Any) -> Any:
        listed[table] += 1
        return get_columns(inspector, table, *arguments, **options)

    with instance_of(DataFolder(tmp_path)) as instance:
        execute(instance)
        monkeypatch.setattr(Inspector, "get_columns", counted)
        execute(instance)
        assert listed == Counter()
    with instance_of(DataFolder(tmp_path)) as instance:
        execute(instance)
        execute(instance)
    assert listed == Counter({"asset_keys": 2, "runs": 2})


def test_failed_batch_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster stores the events of a failed batch one by one, so nothing of the batch may be left."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    with instance_of(DataFolder(tmp_path / "ours")) as ours:
        expected = seen(ours, execute(ours))

    def failing(*_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(EventLog, "_store_asset_event_tags", failing)
    original = EventLog.store_event_batch

    def batch(log: EventLog, events: Any) -> None:
        try:
            original(log, events)
        finally:
            monkeypatch.setattr(EventLog, "_store_asset_event_tags", SqliteEventLogStorage._store_asset_event_tags)

    monkeypatch.setattr(EventLog, "store_event_batch", batch)
    with instance_of(DataFolder(tmp_path / "again")) as again:
        assert seen(again, execute(again)) == expected


def test_settings_file_of_an_older_version_gets_the_new_event_log(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    _home(folder.path)
    with instance_of(folder) as instance:
        assert isinstance(instance.event_log_storage, EventLog)
    with home.settings_of(folder).open("a") as settings:
        settings.write(
            "event_log_storage:\n  module: dagster._core.storage.event_log\n  class: SqliteEventLogStorage\n"
            f"  config:\n    base_dir: {folder.dagster_home}/history/runs\n"
        )
    with instance_of(folder) as instance:
        assert type(instance.event_log_storage) is SqliteEventLogStorage, "the choice of a user is kept"


def test_schedule_storage_that_a_user_chose_is_kept(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    _home(folder.path)
    with home.settings_of(folder).open("a") as settings:
        settings.write(
            "schedule_storage:\n  module: dagster._core.storage.schedules\n  class: SqliteScheduleStorage\n"
            f"  config:\n    base_dir: {folder.dagster_home}/elsewhere\n"
        )
    with instance_of(folder) as instance:
        assert type(instance.run_storage) is Runs
        assert type(instance.schedule_storage) is SqliteScheduleStorage


def _several_runs(folder: Path) -> None:
    event_log.hand_over_in_batches()
    with instance_of(DataFolder(folder)) as instance:
        for _ in range(2):
            execute(instance)


@pytest.mark.long
def test_several_processes_write_at_once(tmp_path: Path) -> None:
    processes = [PROCESSES.Process(target=_several_runs, args=(tmp_path / "data",)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    with instance_of(DataFolder(tmp_path / "data")) as instance:
        records = instance.fetch_materializations(dg.AssetKey("events"), limit=1000).records
        assert len(records) == 6 * 20
        assert len({record.storage_id for record in records}) == 6 * 20
        counts = [
            sum(
                event.dagster_event_type is dg.DagsterEventType.ASSET_MATERIALIZATION
                for event in instance.all_logs(run)
            )
            for run in instance.get_run_ids()
        ]
        assert counts == [40] * 6


def _home(path: Path) -> Path:
    """Return a Dagster home with a settings file that names no event log, as older versions wrote it."""
    folder = DataFolder(path)
    folder.dagster_home.mkdir(parents=True)
    home.settings_of(folder).write_text("telemetry:\n  enabled: false\n")
    return folder.dagster_home
