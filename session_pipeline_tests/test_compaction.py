"""Tests that compacted files replace the opening of many small files, and that they never change a row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from session_pipeline.build.compaction import Compaction
from session_pipeline.engines.duckdb_jobs import Job
from session_pipeline.errors import DiskFullError
from session_pipeline.ingest.erasing.erasures import unfinished_in
from session_pipeline.publish.publication import Published
from session_pipeline.run import erasure
from session_pipeline.run.person import Person
from session_pipeline.run.pipeline import open_run
from session_pipeline.store import compacted, crash_points
from session_pipeline.store.compacted import Block, CompactedFiles
from session_pipeline.store.records import Key, Partition
from session_pipeline.tables import Table
from session_pipeline_tests import erasures
from session_pipeline_tests.built_week import UNTIL, clean, day_of_events
from session_pipeline_tests.deployment import Deployment, flipped

FIRST, LAST = 4, 13  # of October 2026; a block begins on the 1st
TABLES_OF_ALL_DAYS = {"agents_seen", "visitor_days"}


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    """Let a file have the rows of three days, also if a step reads only a few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compacted, "BLOCK_DAYS", 3)
        patch.setattr(compacted, "FEWEST_DAYS", 3)
        yield


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, small_blocks: None) -> Deployment:
    """Return a deployment after its first run."""
    deployment = Deployment(tmp_path_factory.mktemp("first"))
    deliver(deployment, FIRST, LAST - 1)
    deployment.run(UNTIL)
    return deployment


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, first: Deployment) -> Deployment:
    """Return a deployment that has compacted files: its last day was built alone."""
    deployment = first.copied_to(tmp_path_factory.mktemp("both") / "days")
    deliver(deployment, LAST, LAST)
    deployment.run(UNTIL)
    return deployment


@pytest.fixture(scope="module")
def clean_until(tmp_path_factory: pytest.TempPathFactory, small_blocks: None) -> Callable[[int], Mapping[str, str]]:
    """A function that returns the hashes of a clean run over the days until one. It runs once for each."""

    @cache
    def hashes(last: int) -> Mapping[str, str]:
        deployment = Deployment(tmp_path_factory.mktemp("clean"))
        deliver(deployment, FIRST, last)
        deployment.run(UNTIL, publishes=False)
        return deployment.hashes()

    return hashes


@pytest.fixture
def built(both: Deployment, tmp_path: Path) -> Deployment:
    """Return a copy of this deployment."""
    return both.copied_to(tmp_path / "days")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> "Read":
    return Read(monkeypatch)


class Read:
    """Counts the files that jobs read.

    Attributes:
        own: Files of partitions, by table.
        compacted: Compacted files, by table.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.forget()
        add_input = Job.add_input

        def counting(job: Job, contract: Table, paths: Sequence[Path], **options: Any) -> None:
            files = options.get("compacted", ())
            self.own[contract.name] = max(self.own.get(contract.name, 0), len(paths))
            self.compacted[contract.name] = max(self.compacted.get(contract.name, 0), len(files))
            add_input(job, contract, paths, **options)

        patch.setattr(Job, "add_input", counting)

    def forget(self) -> None:
        self.own: dict[str, int] = {}
        self.compacted: dict[str, int] = {}


def deliver(deployment: Deployment, first: int, last: int) -> None:
    for day in range(first, last + 1):
        deployment.deliver(f"day-{day}", day_of_events(day))


def files(deployment: Deployment, table: str = "visitor_days") -> dict[str, bytes]:
    """Return the compacted files of a table, by name."""
    folder = deployment.folder.store / compacted.FOLDER
    return {path.name: path.read_bytes() for path in sorted(folder.glob(f"{table}-*"))}


HARMS = ("changed", "cut off", "deleted", "a folder")


def do_harm(path: Path, harm: str) -> None:
    path.chmod(0o644)
    data = path.read_bytes()
    path.unlink()
    if harm == "changed":
        path.write_bytes(flipped(data))
    elif harm == "cut off":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "a folder":
        path.mkdir()


def partition(day: int, row_count: int = 1, table: str = "visitor_days") -> Partition:
    return Partition(Key(table, date(2026, 10, day)), "path", f"sha-{day}", row_count, 1, "")


# Runs


@pytest.mark.long
def test_next_day_reads_compacted_files_and_gives_equal_tables(
    built: Deployment, clean_until: Callable[[int], Mapping[str, str]], read: Read
) -> None:
    deployment = built
    before = files(deployment)
    assert len(before) == 3
    read.forget()
    deliver(deployment, LAST + 1, LAST + 1)
    deployment.run(UNTIL)
    for table in TABLES_OF_ALL_DAYS:
        assert read.compacted[table] >= 2, "one block can have a day that is built again"
        assert read.own[table] <= LAST + 2 - FIRST + 1 - 2 * 3, "and a day after the last events is built"
    assert before.items() <= files(deployment).items(), "a file is written once"
    assert deployment.hashes() == clean_until(LAST + 1)


@pytest.mark.long
def test_first_run_writes_compacted_files_of_what_it_has_in_memory(
    first: Deployment, read: Read, tmp_path: Path, clean_until: Callable[[int], Mapping[str, str]]
) -> None:
    assert len(files(first)) == 3
    deployment = first.copied_to(tmp_path / "days")
    deliver(deployment, LAST, LAST)
    deployment.run(UNTIL)
    assert all(read.compacted[table] >= 2 for table in TABLES_OF_ALL_DAYS)
    assert deployment.hashes() == clean_until(LAST)


@pytest.mark.long
def test_late_data_replaces_the_compacted_file_of_its_days(built: Deployment, tmp_path: Path) -> None:
    deployment = built
    before = files(deployment)
    deployment.deliver("late", [{**each, "event_id": f"late-{each['event_id']}"} for each in day_of_events(FIRST + 2)])
    deployment.run(UNTIL)
    deliver(deployment, LAST + 1, LAST + 1)
    deployment.run(UNTIL)
    after = files(deployment)
    assert len(before.keys() & after.keys()) == len(before) - 1
    assert {name.split("-")[1] for name in before} <= {name.split("-")[1] for name in after}
    assert deployment.hashes() == clean(deployment, tmp_path / "clean")


@pytest.mark.parametrize(
    "harm",
    [pytest.param(harm, marks=pytest.mark.nightly if place else pytest.mark.long) for place, harm in enumerate(HARMS)],
)
def test_damaged_compacted_file_is_not_read_and_written_again(
    built: Deployment, clean_until: Callable[[int], Mapping[str, str]], harm: str
) -> None:
    deployment = built
    before = files(deployment)
    for name in before:
        do_harm(deployment.folder.store / compacted.FOLDER / name, harm)
    deliver(deployment, LAST + 1, LAST + 1)
    deployment.run(UNTIL)
    assert deployment.hashes() == clean_until(LAST + 1)
    deliver(deployment, LAST + 2, LAST + 2)
    deployment.run(UNTIL)
    assert before.items() <= files(deployment).items()


@pytest.mark.nightly
def test_other_files_in_the_folder_are_removed(built: Deployment) -> None:
    deployment = built
    before = files(deployment)
    folder = deployment.folder.store / compacted.FOLDER
    for name in ("note.txt", "x.parquet", "no_table-1-abc-def.parquet", "visitor_days-one-abc-def.parquet"):
        (folder / name).write_text("not a file of ours")
    deliver(deployment, LAST + 1, LAST + 1)
    deployment.run(UNTIL)
    assert before.items() <= files(deployment).items()
    assert not {"note.txt", "x.parquet"} & {path.name for path in folder.iterdir()}
    assert not list(folder.glob("*-def.parquet"))


@pytest.mark.long
@pytest.mark.parametrize(
    "point", ["compaction: file renamed", pytest.param("compaction: file removed", marks=pytest.mark.nightly)]
)
def test_run_that_dies_while_it_compacts_leaves_a_store_that_the_next_run_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_until: Callable[[int], Mapping[str, str]], point: str
) -> None:
    deployment = Deployment(tmp_path / "days")
    deliver(deployment, FIRST, LAST - 1)
    note = deployment.folder.store / compacted.FOLDER / "note.txt"
    note.parent.mkdir(parents=True)
    note.touch()

    def reached(name: str) -> None:
        if name == point:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(crash_points, "reached", reached)
        with pytest.raises(KeyboardInterrupt):
            deployment.run(UNTIL)
    deliver(deployment, LAST, LAST)
    deployment.run(UNTIL)
    assert len(files(deployment)) == 3
    assert deployment.hashes() == clean_until(LAST)


@pytest.mark.long
def test_full_disk_ends_compaction_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise DiskFullError("store", 0)

    monkeypatch.setattr(Compaction, "_write", full)
    deployment = Deployment(tmp_path)
    deliver(deployment, FIRST, LAST - 1)
    deployment.run(UNTIL)
    assert isinstance(deployment.published, Published)
    assert not files(deployment)


@pytest.mark.long
def test_erasure_removes_compacted_files_with_the_visitor(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, erasures.SETTINGS)
    for day in range(FIRST, LAST + 1):
        deployment.deliver(f"day-{day}", [*day_of_events(day), erasures.event(erasures.CANARY, day, 1)])
    deployment.run(UNTIL)
    before = files(deployment)
    folder = deployment.folder.store / compacted.FOLDER
    assert before
    assert any(erasures.CANARY in pq.read_table(folder / name).column("visitor_id").to_pylist() for name in before)
    erasures.begin(deployment, Person(erasures.CANARY, None, None), UNTIL)
    deployment.run(UNTIL)
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        left = unfinished_in(deployment.folder)
        assert left is not None
        erasure.delete_leftovers(run, left)
        erasure.finish(run)
    assert not before.keys() & files(deployment).keys()
    assert not [place for place in erasures.texts_left(deployment, [erasures.CANARY]) if "compacted" in place]


@pytest.mark.nightly
def test_days_that_are_no_longer_wanted_have_no_compacted_file(built: Deployment) -> None:
    deployment = built
    before = files(deployment, "agents_seen")
    assert len(before) == 3
    deployment.set({"start_date": date(2026, 10, FIRST + 3)})
    deployment.run(UNTIL)
    assert len(before.keys() & files(deployment, "agents_seen").keys()) == 2


# Finding files


def found(store: CompactedFiles, days: Sequence[int], of_store: Sequence[int] = (), rows: int = 1) -> Any:
    partitions = [partition(day, rows) for day in days]
    return store.find(partitions, {each.key: each for each in [*partitions, *map(partition, of_store)]})


def add_file(store: CompactedFiles, written: Path) -> None:
    """Add a file with the rows of 4 to 6 October."""
    partitions = [partition(day) for day in range(4, 7)]
    written.write_bytes(b"rows")
    store.add(Block("visitor_days", date(2026, 10, 4).toordinal() // 3), partitions, written)


def test_only_whole_blocks_that_no_day_can_follow_are_missing(tmp_path: Path) -> None:
    store = CompactedFiles(tmp_path)
    blocks = sorted(found(store, range(1, 15)).missing)
    assert [block.days[0].day for block in blocks] == [1, 4, 7, 10], "days can follow 14 October"
    partly = found(store, range(2, 15), of_store=[1])
    assert [block.days[0].day for block in sorted(partly.missing)] == [4, 7, 10]
    with_gaps = found(store, [1, 3, 4, 14])
    assert [block.days[0].day for block in with_gaps.missing] == [1], "4 October is alone, so it needs no copy"
    assert not found(store, range(1, 3)).missing, "a step that reads few days"


def test_blocks_with_many_rows_are_not_compacted(tmp_path: Path) -> None:
    assert not found(CompactedFiles(tmp_path), range(1, 15), rows=compacted.MOST_ROWS // 3 + 1).missing


def test_file_is_found_for_its_partitions_only(tmp_path: Path) -> None:
    store = CompactedFiles(tmp_path)
    add_file(store, tmp_path / "written")
    for again in (store, CompactedFiles(tmp_path)):
        rows = found(again, range(3, 9))
        assert [path.read_bytes() for path in rows.files] == [b"rows"]
        assert [each.key.date.day for each in rows.partitions] == [3, 7, 8]
        assert not found(again, range(5, 9)).files, "a step that reads a part of its days"
        changed = [partition(4)._replace(sha256="other"), *map(partition, range(5, 9))]
        assert not again.find(changed, {each.key: each for each in changed}).files


@pytest.mark.parametrize("harm", HARMS)
def test_damaged_file_is_not_found_and_its_block_is_missing(tmp_path: Path, harm: str) -> None:
    add_file(CompactedFiles(tmp_path), tmp_path / "written")
    [path] = (tmp_path / compacted.FOLDER).iterdir()
    do_harm(path, harm)
    rows = found(CompactedFiles(tmp_path), range(3, 9))
    assert not rows.files
    assert [each.key.date.day for each in rows.partitions] == [*range(3, 9)]
    assert [day.day for block in rows.missing for day in block.days] == [4, 5, 6]


def test_tables_without_a_partition_for_each_day_have_no_files(tmp_path: Path) -> None:
    store = CompactedFiles(tmp_path)
    of_files = [Partition(Key("raw_events", date(2026, 10, day), "file"), "", "", 1, 1, "") for day in range(1, 15)]
    assert store.find(of_files, {each.key: each for each in of_files}).partitions == of_files
    undated = [Partition(Key("visitors", None), "", "", 1, 1, "")] * 5
    assert store.find(undated, {}).partitions == undated
