"""Tests stores and catalogs of other versions of the package: older ones work, and newer ones are rejected."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from session_pipeline.checks.deliveries import ledger_closes
from session_pipeline.cli import app
from session_pipeline.errors import StoreError
from session_pipeline.ingest.ledger import OTHER_FORMAT
from session_pipeline.ingest.mapping.rule_changes import CHANGED_SETTINGS
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.store.catalog_file import ADDED_COLUMNS
from session_pipeline.store.records import Key
from session_pipeline.store.store import Store
from session_pipeline.store.stored_partitions import FORMAT
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.older_versions import FIRST, UNTIL, copy_of, lines
from session_pipeline_tests.test_deliveries import to_read


@pytest.fixture
def deployment(rebuilt_days: Deployment, tmp_path: Path) -> Deployment:
    """A copy of `rebuilt_days` that the test may change."""
    return copy_of(rebuilt_days, tmp_path / "data")


@pytest.mark.long
def test_store_of_format_1_still_works(deployment: Deployment, rebuilt_days: Deployment) -> None:
    """The catalog of format 1 does not record the cause of a partition's last change."""
    catalog = sqlite3.connect(deployment.folder.store / "catalog.sqlite", isolation_level=None)
    for table_name, column, _ in ADDED_COLUMNS:
        catalog.execute(f"alter table {table_name} drop column {column}")
    catalog.close()
    format_file = deployment.folder.store / "_format.json"
    format_file.write_text(json.dumps({"format": 1, "package_version": "0.0.9"}))
    assert deployment.run(UNTIL) == []
    assert deployment.hashes() == rebuilt_days.hashes()
    assert json.loads(format_file.read_text())["format"] == FORMAT
    deployment.deliver("later", lines(6, visitors=4)[-1:])
    deployment.run(UNTIL)
    store = open_store(deployment.folder)
    changed = store.partitions[Key("events", date(2026, 10, 6))]
    assert changed.causes == ("file test/later.jsonl",)
    assert store.partitions[Key("events", FIRST)].causes == ()
    store.close()
    history = deployment.table("_day_history")
    assert "file test/later.jsonl" in set(history["reason"])


def test_ledger_without_facts_that_earlier_versions_did_not_record_still_works(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": FIRST}, only=("sessions",))
    deployment.deliver("day", lines(5))
    deployment.run(UNTIL)
    with closing(open_store(deployment.folder)) as store, store.writing(), store.catalog.transaction():
        [file] = store.catalog.source_files().values()
        kept = {name: value for name, value in file.facts.items() if name not in ("erased_count", "rules")}
        store.catalog.put_source_file(replace(file, facts=kept))
    assert deployment.run(UNTIL) == []
    assert [row["erased_count"] for row in deployment.records("source_files")] == [0]
    with open_run(deployment.folder, run_id="check", until=UNTIL) as run:
        assert ledger_closes(run, [FIRST]).holds
    deployment.set({"start_date": FIRST, "sources": {"test": {"null_values": ["-"]}}})
    assert to_read(deployment) == {"test/day.jsonl": CHANGED_SETTINGS}


@pytest.mark.long
def test_files_without_a_recorded_format_are_read_again_or_keep_their_rows(tmp_path: Path) -> None:
    """The first versions did not record the format. Their catalogs have no digests either."""
    deployment = Deployment(tmp_path, {"start_date": FIRST}, only=("sessions",))
    for day in (5, 6):
        deployment.deliver(f"day-{day}", lines(day))
    deployment.run(UNTIL)
    before = deployment.hashes()
    with closing(sqlite3.connect(deployment.folder.store / "catalog.sqlite", isolation_level=None)) as catalog:
        catalog.execute("update source_files set facts = json_remove(facts, '$.format', '$.formats', '$.rules')")
        for table_name, column, _ in ADDED_COLUMNS:
            catalog.execute(f"alter table {table_name} drop column {column}")
    (deployment.folder.store / "_format.json").write_text(json.dumps({"format": 2, "package_version": "0.0.9"}))
    (deployment.folder.raw / "test" / "day-6.jsonl").unlink()
    assert to_read(deployment) == {"test/day-5.jsonl": OTHER_FORMAT}
    deployment.run(UNTIL)
    assert to_read(deployment) == {}
    assert deployment.hashes() == before
    with closing(open_store(deployment.folder)) as store:
        formats = {file.facts["path"]: file.facts["format"] for file in store.catalog.source_files().values()}
    assert formats == {"test/day-5.jsonl": "jsonl", "test/day-6.jsonl": ""}


@pytest.mark.long
def test_added_catalog_column_may_be_in_any_position(deployment: Deployment) -> None:
    catalog = sqlite3.connect(deployment.folder.store / "catalog.sqlite", isolation_level=None)
    catalog.execute("alter table partitions drop column reason")
    catalog.execute("alter table partitions add column reason text not null default ''")
    catalog.close()
    deployment.deliver("later", lines(6, visitors=4)[-1:])
    deployment.run(UNTIL)
    store = open_store(deployment.folder)
    assert store.partitions[Key("events", date(2026, 10, 6))].reason == "raw_events changed"
    store.close()


class TestNewerStore:
    SENTENCE = "was written by session_pipeline 7.0"

    @pytest.fixture
    def newer(self, deployment: Deployment) -> Deployment:
        (deployment.folder.store / "_format.json").write_text('{"format": 99, "package_version": "7.0"}')
        return deployment

    @pytest.mark.parametrize("command", ["run", "plan", "status", "verify"])
    def test_is_rejected_by_each_command_in_a_sentence(
        self, newer: Deployment, command: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        files = {path: path.stat().st_mtime_ns for path in newer.folder.store.rglob("*")}
        with pytest.raises(SystemExit) as ended:
            app([command, "--data", str(newer.folder.path)])
        assert ended.value.code == 1
        said = capsys.readouterr().err
        assert self.SENTENCE in said
        assert "install that version or a newer one" in said
        assert "Traceback" not in said
        assert {path: path.stat().st_mtime_ns for path in newer.folder.store.rglob("*")} == files

    def test_of_the_same_version_number_is_named_a_newer_state(self, tmp_path: Path) -> None:
        (tmp_path / "_format.json").write_text('{"format": 99, "package_version": "7.0"}')
        with pytest.raises(
            StoreError, match=r"by a newer state of session_pipeline 7\.0, .* install that state or a newer"
        ):
            Store(tmp_path, "7.0")

    def test_of_the_same_format_is_rejected_too_once_it_was_written(self, tmp_path: Path) -> None:
        for version in ("0.9.1", "0.10.0"):
            Store(tmp_path, version).close()
        with closing(Store(tmp_path, "0.9.1")), closing(Store(tmp_path, "source")):
            pass
        with closing(Store(tmp_path, "0.10.0")) as newer, newer.writing():
            pass
        for version in ("0.10.0", "source"):
            with closing(Store(tmp_path, version)) as store, store.writing():
                pass
        with pytest.raises(StoreError, match=r"session_pipeline 0\.10\.0, and 0\.9\.1 cannot .* install that version"):
            Store(tmp_path, "0.9.1")

    def test_of_the_same_format_is_rejected_by_a_run_that_waited_for_it(self, tmp_path: Path) -> None:
        Store(tmp_path, "0.1").close()
        with closing(Store(tmp_path, "0.2")) as waiting:
            with closing(Store(tmp_path, "0.3")) as newer, newer.writing():
                pass
            with pytest.raises(StoreError, match=r"session_pipeline 0\.3, and 0\.2 cannot"), waiting.writing():
                pass

    def test_warehouse_can_still_be_read(self, newer: Deployment) -> None:
        assert newer.query("select count(*) from sessions") == [(10,)]

    @pytest.mark.parametrize("content", ["[]", "{}", '{"format": null}', "no json", ""])
    def test_without_a_known_format_is_rejected(self, newer: Deployment, content: str) -> None:
        (newer.folder.store / "_format.json").write_text(content)
        with pytest.raises(StoreError, match="does not state the version of the store"):
            open_store(newer.folder)
