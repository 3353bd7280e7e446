"""What our event log answers about the latest events of assets is what Dagster's own class answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.events import DagsterEventType
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from sqlalchemy.sql.compiler import SQLCompiler

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs.event_log import EventLog
from session_pipeline_tests.orchestration import instance_in

ASSETS = [dg.AssetKey(name) for name in ("events", "sessions", ["with", "prefix"], "planned", "unknown")]
DAYS = ["2026-10-05", "2026-10-06", "2026-10-07"]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_in(DataFolder(tmp_path)) as instance:
        for version in ("1", "2"):
            for asset_key in ASSETS[:3]:
                for day in DAYS[: 2 if version == "2" else 3]:
                    tags = {DATA_VERSION_TAG: f"{asset_key.to_user_string()}-{day}-{version}"}
                    instance.report_runless_asset_event(
                        dg.AssetMaterialization(asset_key, partition=day, tags=tags, metadata={"rows": 1})
                    )
        yield instance


def records(log: EventLog, asset_keys: list[dg.AssetKey]) -> list[Any]:
    """Return our records of assets, after a comparison with Dagster's."""
    found = list(log.get_asset_records(asset_keys))
    assert found == list(SqliteEventLogStorage.get_asset_records(log, asset_keys))
    return found


def tags(log: EventLog, asset_key: dg.AssetKey, days: list[str] | None, **limits: int) -> Any:
    """Return our tags of partitions, after a comparison with Dagster's."""
    arguments: Any = (asset_key, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG], days)
    found = log.get_latest_tags_by_partition(*arguments, **limits)
    assert found == SqliteEventLogStorage.get_latest_tags_by_partition(log, *arguments, **limits)
    return found


def event_log(instance: dg.DagsterInstance) -> EventLog:
    log = instance.event_log_storage
    assert isinstance(log, EventLog)
    return log


def test_records_are_those_of_dagster(instance: dg.DagsterInstance) -> None:
    found = records(event_log(instance), ASSETS)
    assert [record.asset_entry.asset_key for record in found] == [ASSETS[0], ASSETS[1], ASSETS[2]]
    assert [record.asset_entry.last_materialization.asset_materialization.partition for record in found] == 3 * [
        DAYS[1]
    ]
    assert records(event_log(instance), []) == []


def test_later_materialization_replaces_a_record_that_was_read(instance: dg.DagsterInstance) -> None:
    [before] = records(event_log(instance), ASSETS[:1])
    instance.report_runless_asset_event(dg.AssetMaterialization(ASSETS[0], partition=DAYS[2]))
    [after] = records(event_log(instance), ASSETS[:1])
    ids = [each.asset_entry.last_materialization_record.storage_id for each in (before, after)]
    assert ids[0] < ids[1]


def test_planned_asset_has_a_record_without_materialization(instance: dg.DagsterInstance) -> None:
    @dg.asset(name="planned")
    def fails() -> None:
        raise ValueError

    dg.materialize([fails], instance=instance, raise_on_error=False)
    found = {record.asset_entry.asset_key: record for record in records(event_log(instance), ASSETS)}
    assert found[ASSETS[3]].asset_entry.last_materialization is None
    assert found[ASSETS[0]].asset_entry.last_materialization is not None


def test_tags_are_those_of_the_latest_event_of_each_partition(instance: dg.DagsterInstance) -> None:
    log = event_log(instance)
    assert tags(log, ASSETS[0], DAYS) == {
        "2026-10-05": {DATA_VERSION_TAG: "events-2026-10-05-2"},
        "2026-10-06": {DATA_VERSION_TAG: "events-2026-10-06-2"},
        "2026-10-07": {DATA_VERSION_TAG: "events-2026-10-07-1"},
    }
    assert len(tags(log, ASSETS[2], [DAYS[2], "2026-10-08"])) == 1
    assert tags(log, ASSETS[0], []) == {}
    assert len(tags(log, ASSETS[0], None)) == 3
    assert len(tags(log, ASSETS[0], DAYS, before_cursor=3)) == 2
    assert tags(log, ASSETS[4], DAYS) == {}


def test_events_before_an_asset_was_wiped_do_not_count(instance: dg.DagsterInstance) -> None:
    log = event_log(instance)
    instance.wipe_assets([ASSETS[0]])
    assert len(records(log, ASSETS)) == 2
    assert tags(log, ASSETS[0], DAYS) == {}
    instance.report_runless_asset_event(
        dg.AssetMaterialization(ASSETS[0], partition=DAYS[1], tags={DATA_VERSION_TAG: "new"})
    )
    assert len(records(log, ASSETS)) == 3
    assert tags(log, ASSETS[0], DAYS) == {DAYS[1]: {DATA_VERSION_TAG: "new"}}


def test_usual_questions_need_no_statement_of_dagster(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = event_log(instance)
    log.get_asset_records(ASSETS)  # what stays true was asked
    compiled: list[str] = []
    process = SQLCompiler.process
    monkeypatch.setattr(
        SQLCompiler,
        "process",
        lambda self, *values, **options: (compiled.append(""), process(self, *values, **options))[1],
    )
    log.get_asset_records(ASSETS)
    log.get_latest_tags_by_partition(ASSETS[0], DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG], DAYS)
    assert not compiled
    SqliteEventLogStorage.get_asset_records(log, ASSETS[:2])
    assert compiled, "Dagster's own answer"
