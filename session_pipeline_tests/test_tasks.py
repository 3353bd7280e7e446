"""Tests that ingest in tasks gives what ingest in one process gives: rows, ledger, quarantine, dropped copies."""

import gzip
import json
import pickle
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from session_pipeline.engines.base import TaskRunner
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.errors import CorruptFileError, DiskFullError, StillWrittenError, UnreadableFileError
from session_pipeline.ingest.admission import admit as admission
from session_pipeline.ingest.admission.admit import Admitted, admit
from session_pipeline.ingest.admission.line_ranges import copy_range
from session_pipeline.ingest.formats import line_counts
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.reading import small_files, task_reader
from session_pipeline.ingest.reading.tasks import Place, RangeTask, take_range
from session_pipeline.run import erasure
from session_pipeline.run.held import find_held
from session_pipeline.run.person import Person
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline_tests.deployment import Deployment

UNTIL = date(2026, 10, 8)
TABLES = ("raw_events", "quarantined_lines", "source_files")


class Runner:
    """Runs tasks in this process, from the last to the first, and every fifth one twice, as a cluster may do."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def run_tasks(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> list[Any]:
        self.counts[function.__name__] = self.counts.get(function.__name__, 0) + len(tasks)
        found = []
        for number, task in enumerate(reversed(tasks)):
            sent = pickle.dumps((function, task))
            for _ in range(2 if number % 5 == 0 else 1):
                chosen, value = pickle.loads(sent)
                result = pickle.dumps(chosen(value))
            found.append(pickle.loads(result))
        return found[::-1]


@contextmanager
def small_ranges() -> Iterator[Runner]:
    """Make chunks, small files and ranges small, so that small tests have many of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_counts, "CHUNK_BYTES", 2_000)
        patch.setattr(admission, "CHUNK_BYTES", 2_000)
        patch.setattr(task_reader, "LEAST_BYTES_FOR_TASKS", 0)
        patch.setattr(task_reader, "BYTES_OF_RANGE", 17_000)
        patch.setattr(small_files, "LARGEST_SMALL_BYTES", 3_000)
        patch.setattr(task_reader, "LARGEST_SMALL_BYTES", 3_000)
        yield Runner()


@pytest.fixture
def runner() -> Iterator[Runner]:
    with small_ranges() as runner:
        yield runner


def ingest(deployment: Deployment, runner: TaskRunner | None = None) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DuckDBEngine, "task_runner", runner)
        with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
            return run.ingest()


def event(chance: random.Random, number: int) -> str:
    if chance.random() < 0.05:
        return chance.choice(("{", "", " \t", "[]", "12", '{"visitor_id": "v"}', "\udcff", "\ufeff{}"))
    fields = {
        "visitor_id": f"v{number % 7}",
        "event_time": f"{datetime(2026, 10, 5) + timedelta(minutes=20 * (number % 150))}",
        "event_name": "page_view",
        "page_url": f"https://shop.example/{number % 5}?utm_source=x",
    }
    if number % 3 == 0:
        fields |= {"event_id": f"e{number}", "value": "x" if number % 9 == 0 else "1.5", "language": "de"}
    return json.dumps(fields)


def deliver(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode(errors="surrogateescape")
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return path


def mixed(folder: Path) -> None:
    """Large and small files of all kinds, with events without an id that are in many ranges of a file."""
    chance = random.Random(3)
    found = [event(chance, number) for number in range(450)]
    large = "\n".join([*found, *found[:150], *found[100:300]])
    log = "".join(
        f'10.0.0.{number % 9} - - [{5 + number // 250:02}/Oct/2026:10:{number % 60:02}:00 +0000] "GET /{number % 4}'
        f' HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n'
        for number in range(650)
    )
    csv = "visitor_id,event_time,event_name,value\n" + "".join(
        f"v{number % 4},2026-10-06T{number % 24:02}:00:00Z,click,{'x' if number % 50 == 0 else number % 3}\n"
        for number in range(1_500)
    )
    deliver(folder, "web/large.jsonl", "\ufeff" + large)
    deliver(folder, "web/copy of large.jsonl.gz", "\ufeff" + large)
    deliver(folder, "web/windows.jsonl", large.replace("\n", "\r\n"))
    deliver(folder, "web/large.jsonl.gz", "\n".join(found[50:400]))
    for number in range(12):
        deliver(folder, f"web/small/{number % 10}-{number}.jsonl", "\n".join(found[number % 10 * 5 :][:6]))
    deliver(folder, "logs/access.log", log)
    deliver(folder, "logs/small.log", log[:900])
    deliver(folder, "shop/large.csv", csv)
    deliver(folder, "shop/quoted.csv", csv + 'v1,2026-10-06T10:00:00Z,"a\nb",1\n' * 100)
    deliver(folder, "shop/header.csv", "a,a\n" + "1,2\n" * 9_000)
    deliver(folder, "shop/cut.jsonl.gz", "x")
    (folder / "shop" / "cut.jsonl.gz").write_bytes(gzip.compress(large.encode(errors="ignore"))[:-9])
    deliver(folder, "shop/picture.csv", "\x89PNG")
    deliver(folder, "stray.jsonl", found[0])
    deliver(folder, "shop/unknown.xyz", "x")
    (folder / "shop" / "link.csv").symlink_to("large.csv")


@dataclass(frozen=True)
class Both:
    """The same files, read in one process and in tasks."""

    one: Deployment
    tasks: Deployment
    summaries: tuple[Any, Any]
    counts: Mapping[str, int]

    def copied(self, folder: Path) -> tuple[Deployment, Deployment]:
        """Return copies that a test can change."""
        one, tasks = (
            Deployment(Path(shutil.copytree(each.folder.path, folder / each.folder.path.name, symlinks=True)))
            for each in (self.one, self.tasks)
        )
        return one, tasks


def two_deliveries(folder: Path) -> tuple[Deployment, Deployment]:
    """Return two folders with the same files and the same visitor key, to be read in one process and in tasks."""
    one, tasks = Deployment(folder / "one"), Deployment(folder / "tasks")
    for each in (one, tasks):
        mixed(each.folder.raw)
        each.folder.visitor_key.parent.mkdir(parents=True, exist_ok=True)
        each.folder.visitor_key.write_text("ab" * 32 + "\n")
    return one, tasks


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    one, tasks = two_deliveries(tmp_path_factory.mktemp("both"))
    with small_ranges() as runner:
        return Both(one, tasks, (ingest(one), ingest(tasks, runner)), runner.counts)


def assert_equal(one: Deployment, tasks: Deployment) -> None:
    for name in TABLES:
        frames = [each.table(name) for each in (one, tasks)]
        order = [column for column in ("file_id", "line_number") if column in frames[0]]
        assert_frame_equal(*(frame.sort_values(order, ignore_index=True) for frame in frames))
    with closing(open_store(one.folder)) as first, closing(open_store(tasks.folder)) as second:
        assert [first.catalog.source_files(), {*first.partitions}] == [
            second.catalog.source_files(),
            {*second.partitions},
        ]
        for key, partition in first.partitions.items():
            other = second.partitions[key]
            assert (other.counts, other.fingerprint) == (partition.counts, partition.fingerprint)


@pytest.mark.long
def test_tasks_give_the_rows_and_the_ledger_of_one_process(both: Both) -> None:
    of_one, of_tasks = both.summaries
    assert of_one == of_tasks
    assert_equal(both.one, both.tasks)
    assert both.counts["take_range"] == 21  # seven of each large file of JSON lines, four of the log, three of the CSV
    assert both.counts["renumber_events"] == 13


@pytest.mark.long
def test_files_that_are_not_divided_have_the_same_bytes(both: Both) -> None:
    with closing(open_store(both.one.folder)) as first, closing(open_store(both.tasks.folder)) as second:
        divided = {key.file_id for key, found in second.partitions.items() if len(found.files) > 1}
        for key, partition in first.partitions.items():
            if key.file_id not in divided:
                assert second.partitions[key].sha256 == partition.sha256, key
    assert len(divided) == 3  # the lines of large.jsonl come from its compressed copy, which is delivered first


@pytest.mark.long
def test_moved_and_repeated_files_give_the_same_in_tasks(both: Both, runner: Runner, tmp_path: Path) -> None:
    one, tasks = both.copied(tmp_path)
    summaries = []
    for each, with_runner in ((one, None), (tasks, runner)):
        (each.folder.raw / "web" / "large.jsonl").rename(each.folder.raw / "web" / "moved.jsonl")
        deliver(each.folder.raw, "web/again.jsonl", (each.folder.raw / "web" / "windows.jsonl").read_text("latin-1"))
        deliver(each.folder.raw, "web/small/new.jsonl", "{")
        summaries.append(ingest(each, with_runner))
    assert summaries[0] == summaries[1]
    assert_equal(one, tasks)


@pytest.mark.long
def test_built_tables_are_equal(both: Both, tmp_path: Path) -> None:
    one, tasks = both.copied(tmp_path)
    names = ("events", "duplicate_events", "sessions", "session_actions", "daily_summary")
    for each in (one, tasks):
        each.only = names
        each.run(UNTIL)
    for name in names:
        assert_frame_equal(one.table(name), tasks.table(name))


def admitted_file(folder: Path, lines: Sequence[str], bytes_of_range: int) -> Admitted:
    path = deliver(folder / "raw" / "web", "a.jsonl", "\n".join(lines))
    return admit(path, root=folder / "raw", source="web", format=None, scratch=folder, bytes_of_range=bytes_of_range)


@pytest.mark.parametrize("bytes_of_range", [1, 100, 5_000, 10**9])
def test_ranges_have_all_lines(tmp_path: Path, bytes_of_range: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_counts, "CHUNK_BYTES", 64)
    lines = [event(random.Random(number), number) for number in range(300)]
    admitted = admitted_file(tmp_path, lines, bytes_of_range)
    if bytes_of_range == 10**9:
        assert admitted.ranges == ()
        return
    read: list[str] = []
    for number, lines_of in enumerate(admitted.ranges):
        assert lines_of.first_line_number == len(read) + 1
        copy_range(admitted.path, lines_of, tmp_path / str(number), has_header=False)
        copied = (tmp_path / str(number)).read_text(errors="surrogateescape").removesuffix("\n").split("\n")
        assert number == 0 or not copied[0].startswith("\ufeff")
        assert lines_of.line_count + lines_of.blank_line_count == len(copied)
        read += copied
    assert read == lines
    assert sum(each.line_count for each in admitted.ranges) == admitted.line_count
    assert sum(each.blank_line_count for each in admitted.ranges) == admitted.blank_line_count


def test_file_that_changes_before_a_range_is_read(tmp_path: Path, runner: Runner) -> None:
    admitted = admitted_file(tmp_path, [event(random.Random(1), number) for number in range(300)], 5_000)
    with admitted.path.open("a") as file:
        file.write("\n{}")
    (tmp_path / "results").mkdir()
    rules = ReadingRules("web", datetime(2020, 1, 1))
    place = Place(tmp_path / "raw", tmp_path / "results", "500MB")
    found = take_range(RangeTask(place, admitted, admitted.ranges[1], rules))
    assert isinstance(found, StillWrittenError)


@pytest.mark.parametrize(
    "error", [CorruptFileError("a"), UnreadableFileError(), StillWrittenError(), DiskFullError("b", 3)]
)
def test_error_of_a_task_is_sent_as_it_is(error: Exception) -> None:
    sent = pickle.loads(pickle.dumps(error))
    assert (type(sent), str(sent), vars(sent)) == (type(error), str(error), vars(error))


@pytest.mark.long
def test_erasure_in_part_files_equals_an_earlier_erasure(runner: Runner, tmp_path: Path) -> None:
    later, before, local = (Deployment(tmp_path / name) for name in ("later", "before", "local"))
    chance = random.Random(3)
    text = "\n".join(event(chance, number) for number in range(150))
    for deployment in (later, before, local):
        deliver(deployment.folder.raw, "web/large.jsonl", text)
    ingest(later, runner)
    with open_run(later.folder, run_id="test", until=UNTIL) as run:
        held = find_held(run, Person("v3", None, None))
        erasure.record(run, held)
    ingest(later, runner)
    for deployment in (before, local):
        for path in (later.folder.erasures, later.folder.visitor_key):
            shutil.copyfile(path, deployment.folder.path / path.name)
    ingest(before, runner)
    ingest(local)
    assert later.hashes() == before.hashes()
    with closing(open_store(later.folder)) as store:
        assert any(len(partition.files) > 1 for partition in store.partitions.values())
    files = later.table("source_files")
    assert held.event_count + held.quarantined_count == files["erased_count"].sum()
    counts = files["accepted_count"] + files["set_aside_count"] + files["erased_count"]
    assert (counts == files["line_count"]).all()
    assert "v3" not in set(later.table("raw_events")["visitor_id"])
    assert_equal(local, before)
