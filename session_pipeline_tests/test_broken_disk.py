"""Tests that files which the disk cannot read are rebuilt or named, and that no row is given up because of them."""

import gzip
import shutil
from contextlib import closing
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer import Exit

from session_pipeline.checks.deliveries import rejected_files
from session_pipeline.cli.verify import verify
from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import StoreError
from session_pipeline.ingest.erasing.erasures import Unfinished
from session_pipeline.run import erasure
from session_pipeline.run.person import Person
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.store.records import Partition
from session_pipeline.store.store import Store
from session_pipeline_tests.broken_disks import cannot_list, cannot_read
from session_pipeline_tests.built_week import UNTIL, event
from session_pipeline_tests.deployment import Deployment, damage
from session_pipeline_tests.erasures import begin

LATE = [event("v0", "2026-10-05T10:30:00Z", 999)]


SETTINGS = {"start_date": date(2026, 10, 5)}
ONLY = ("session_changes",)


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two built days: their sessions, and the log of them."""
    folder = tmp_path_factory.mktemp("two_days")
    deployment = Deployment(folder, SETTINGS, only=ONLY)
    deployment.deliver("first", [event("v0", f"2026-10-0{day}T10:00:00Z", day) for day in (5, 6)])
    deployment.run(UNTIL)
    deployment.deliver("earlier", [event("v0", "2026-10-05T09:50:00Z", 0)])  # moves the session's start, and so its id
    deployment.run(UNTIL)
    return folder


@pytest.fixture
def deployment(two_days: Path, tmp_path: Path) -> Deployment:
    """A copy that the test may change."""
    return Deployment(Path(shutil.copytree(two_days, tmp_path / "data")), SETTINGS, only=ONLY)


def file_of(deployment: Deployment, table: str) -> Path:
    with closing(open_store(deployment.folder)) as store:
        return store.path_of(store.of_table(table)[0])


def damaged(deployment: Deployment) -> list[Partition]:
    with closing(open_store(deployment.folder)) as store:
        return [partition for partition in store.partitions.values() if partition.is_damaged]


@pytest.mark.parametrize("table", ["raw_events", pytest.param("open_sessions", marks=pytest.mark.long)])
def test_rows_that_the_disk_cannot_read_are_made_again(
    deployment: Deployment, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(deployment, table)
    before = path.read_bytes()
    deployment.deliver("late", [event("v0", f"2026-10-0{5 if table == 'raw_events' else 6}T10:30:00Z", 99)])
    is_unreadable = cannot_read(monkeypatch, path)
    deployment.run(UNTIL)
    assert not is_unreadable(path)
    assert (path.read_bytes(), damaged(deployment)) == (before, [])
    assert list(deployment.table("sessions")["event_count"]) == ([3, 1] if table == "raw_events" else [2, 2])


@pytest.mark.long
@pytest.mark.parametrize("path_has", [pytest.param("no file", marks=pytest.mark.nightly), "other content"])
def test_unreadable_raw_rows_without_their_file_are_named_and_kept(
    path_has: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(deployment, "raw_events")
    for name in ("first", "earlier"):
        if path_has == "no file":
            (deployment.folder.raw / "test" / f"{name}.jsonl").unlink()
        else:
            deployment.deliver(name, LATE)
    deployment.deliver("late", LATE)
    with monkeypatch.context() as broken:
        cannot_read(broken, path)
        with pytest.raises(StoreError, match=f"the disk cannot read {path} .* the delivered file test/.* is missing"):
            deployment.run(UNTIL)
    assert damaged(deployment) == []
    deployment.run(UNTIL)  # the disk can read it again
    assert list(deployment.table("sessions")["event_count"]) == [3, 1]


@pytest.mark.long
def test_erasure_keeps_unreadable_rows_whose_file_is_gone(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (deployment.folder.raw / "test").iterdir():
        path.unlink()
    begin(deployment, Person("v0", None, None), UNTIL)
    with monkeypatch.context() as broken:
        cannot_read(broken, file_of(deployment, "raw_events"))
        with pytest.raises(StoreError, match=r"the disk cannot read .* the delivered file test/.* is missing"):
            deployment.run(UNTIL)
    assert damaged(deployment) == []
    deployment.run(UNTIL)  # the disk can read it again
    assert deployment.table("raw_events").empty


@pytest.mark.parametrize("folder", ["daily_summary/session_date=2026-10-05", "compacted"])
def test_erasure_fails_if_the_disk_cannot_list_a_folder_of_the_store(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    with closing(Store(tmp_path, "1.0")) as store, store.writing():
        store.delete_unused()
        cannot_list(monkeypatch, tmp_path / folder)
        with pytest.raises(OSError, match="Input/output error"):
            store.delete_unused()


def test_erasure_fails_if_the_disk_cannot_list_the_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DataFolder(tmp_path)
    assert erasure.pages_with_ids(folder, Unfinished()) == []
    folder.reports.mkdir()
    cannot_list(monkeypatch, folder.reports)
    with pytest.raises(OSError, match="Input/output error"):
        erasure.pages_with_ids(folder, Unfinished())


@pytest.mark.long
def test_unreadable_rows_are_kept_if_their_file_is_unreadable_too(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.deliver("late", LATE)
    delivered = [deployment.folder.raw / "test" / f"{name}.jsonl" for name in ("first", "earlier")]
    cannot_read(monkeypatch, file_of(deployment, "raw_events"), *delivered)
    with pytest.raises(StoreError, match=r"the delivered file test/\w+\.jsonl is missing or cannot be read"):
        deployment.run(UNTIL)
    assert damaged(deployment) == []


@pytest.mark.long
def test_unreadable_log_is_named_and_kept(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    path, before = file_of(deployment, "session_changes"), len(deployment.table("session_changes"))
    deployment.deliver("late", LATE)
    cannot_read(monkeypatch, path)
    with pytest.raises(StoreError, match=f"the disk cannot read {path} .* cannot be built again"):
        deployment.run(UNTIL)
    monkeypatch.undo()
    deployment.deliver("before", [event("v0", "2026-10-05T09:40:00Z", 98)])
    deployment.run(UNTIL)
    assert len(deployment.table("session_changes")) > before > 0


def test_unreadable_rows_of_a_removed_table_are_damaged(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_store(deployment.folder)) as store:
        partition = store.of_table("sessions")[0]
        cannot_read(monkeypatch, store.path_of(partition))
        removed = partition._replace(key=partition.key._replace(table="of_an_older_version"))
        assert store.damaged_file(removed) == store.path_of(partition)


def test_verify_names_each_unreadable_file_and_goes_on(
    own_shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = DataFolder(own_shop)
    with closing(open_store(folder)) as store:
        paths = [store.path_of(store.of_table(name)[0]) for name in ("_day_history", "raw_events", "sessions")]
    cannot_read(monkeypatch, *paths)
    with pytest.raises(Exit):
        verify(data=own_shop)
    out, err = (" ".join(text.split()) for text in capsys.readouterr())
    log, raw, derived = paths
    assert f"the disk cannot read {log} (Input/output error), and its rows cannot be built again" in out
    for path in (raw, derived):
        assert f"{path} cannot be read (Input/output error); `run` rebuilds it" in out
    assert "3 problems found" in err
    monkeypatch.undo()
    with closing(open_store(folder)) as store:
        assert [each.key.table for each in store.partitions.values() if each.is_damaged] == ["raw_events", "sessions"]


def statuses(deployment: Deployment) -> dict[str, tuple[str, str | None]]:
    with closing(open_store(deployment.folder)) as store:
        files = store.catalog.source_files().values()
        return {file.facts["path"]: (file.facts["status"], file.facts["reason"]) for file in files}


@pytest.mark.parametrize(
    ("ending", "after"),
    [
        ("jsonl", 0),
        *(pytest.param(ending, 8, marks=pytest.mark.long) for ending in ("jsonl.gz", "parquet")),
        *(
            pytest.param(ending, after, marks=pytest.mark.nightly)
            for ending, after in (("jsonl", 8), ("jsonl.gz", 0), ("parquet", 0))
        ),
    ],
)
def test_unreadable_delivered_file_is_read_when_it_can_be(
    deployment: Deployment, ending: str, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.only = ("raw_events",)
    plain = deployment.deliver("a", LATE)
    path = plain.with_name(f"a.{ending}")
    if ending == "jsonl.gz":
        path.write_bytes(gzip.compress(plain.read_bytes()))
    elif ending == "parquet":
        pq.write_table(pa.Table.from_pylist(LATE), path)
    if path != plain:
        plain.unlink()
    deployment.deliver("b", [event("v0", "2026-10-05T10:40:00Z", 1000)])
    with monkeypatch.context() as broken:
        cannot_read(broken, path, after=after)
        deployment.run(UNTIL)
        assert statuses(deployment)[f"test/a.{ending}"] == (
            "corrupt",
            "the file cannot be read (Input/output error of the disk)",
        )
        assert len(deployment.table("raw_events")) == 4
        with open_run(deployment.folder, run_id="test") as run:
            [problem] = rejected_files(run.folder, run.settings, run.store, run.until)
            assert problem.endswith("(Input/output error of the disk); check the disk, or deliver it again")
            assert run.files_to_read() == {}
    with open_run(deployment.folder, run_id="test") as run:
        assert run.files_to_read() == {f"test/a.{ending}": "the disk can read it now"}
    deployment.run(UNTIL)
    assert statuses(deployment)[f"test/a.{ending}"] == ("accepted", None)
    assert len(deployment.table("raw_events")) == 5


@pytest.mark.long
def test_rows_of_a_file_that_cannot_be_read_again_stay(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment.only = ("raw_events", "source_files")
    path = deployment.folder.raw / "test" / "first.jsonl"
    deployment.set({**SETTINGS, "sources": {"test": {"site": "other"}}})
    with monkeypatch.context() as broken:
        cannot_read(broken, path)
        deployment.run(UNTIL)
        assert sorted(deployment.table("raw_events")["site"]) == ["main", "main", "other"]
        assert sorted(deployment.table("source_files")["status"]) == ["accepted", "accepted", "corrupt"]
    deployment.run(UNTIL)
    assert sorted(deployment.table("raw_events")["site"]) == ["other"] * 3
    assert sorted(deployment.table("source_files")["status"]) == ["accepted", "accepted"]


@pytest.mark.long
def test_damaged_rows_whose_file_the_disk_cannot_read_are_named(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = file_of(deployment, "raw_events")
    damage(rows, b"not what was written")
    deployment.deliver("late", LATE)
    cannot_read(monkeypatch, *(deployment.folder.raw / "test" / f"{name}.jsonl" for name in ("first", "earlier")))
    with pytest.raises(StoreError, match=r"test/\w+\.jsonl are damaged .* and the file cannot be read by the disk"):
        deployment.run(UNTIL)
