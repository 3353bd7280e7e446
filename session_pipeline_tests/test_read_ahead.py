"""Tests that a second thread reads delivered files before the ingest, and that this never changes what is committed.

reading_ahead.py runs the ingest.
"""

import gzip
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.ingest.mapping.visitors import find_key
from session_pipeline.run.person import Person
from session_pipeline.run.run import Run
from session_pipeline_tests import erasures
from session_pipeline_tests.built_week import UNTIL, day_of_events
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.reading_ahead import Readers, Write, further, ingested, json_lines

REQUEST = '{address} - - [12/Oct/2026:10:0{minute}:00 +0000] "GET / HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n'


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Readers:
    return Readers(monkeypatch)


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Return a deployment that has ingested one day, so that it has a visitor key."""
    deployment = Deployment(tmp_path_factory.mktemp("first day") / "data", only=())
    deployment.deliver("day-5", day_of_events(5), "web")
    deployment.run(UNTIL)
    return deployment


@pytest.fixture
def with_and_without(first_day: Deployment, tmp_path: Path) -> tuple[Deployment, Deployment]:
    """Return two copies of the deployment: one in which files are read ahead, and one in which they are not."""
    shutil.copytree(first_day.folder.path, tmp_path / "with")
    shutil.copytree(first_day.folder.path, tmp_path / "without")
    for name in ("with", "without"):  # copies are other files; they are looked at once more
        ingested(Deployment.at(tmp_path / name), ahead=False)
    return Deployment.at(tmp_path / "with"), Deployment.at(tmp_path / "without")


def two_files(raw: Path) -> None:
    json_lines(raw)
    Deployment.at(raw.parent).deliver("day-7", day_of_events(7), "web")


def compressed(raw: Path) -> None:
    json_lines(raw)
    plain = raw / "web" / "day-6.jsonl"
    (raw / "web" / "day-6.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    plain.unlink()


def table_of_values(raw: Path) -> None:
    (raw / "web" / "day-6.csv").write_text(
        "visitor_id,event_time,event_name\nann,2026-10-06T10:00:00Z,page_view\nbob,yesterday,page_view\n"
    )


def parquet(raw: Path) -> None:
    columns = {name: [event[name] for event in day_of_events(6)] for name in ("visitor_id", "event_time", "event_name")}
    pq.write_table(pa.table(columns), raw / "web" / "day-6.parquet")


def requests(raw: Path) -> None:
    (raw / "logs").mkdir()
    text = "".join(REQUEST.format(address=f"192.0.{minute}.1", minute=minute) for minute in range(4))
    (raw / "logs" / "access.log").write_text(text)


def redelivered(raw: Path) -> None:
    json_lines(raw)
    shutil.copyfile(raw / "web" / "day-5.jsonl", raw / "web" / "again.jsonl")


def two_sources(raw: Path) -> None:
    json_lines(raw)
    requests(raw)


def two_formats(raw: Path) -> None:
    json_lines(raw)
    table_of_values(raw)


def formats_in_turn(raw: Path) -> None:
    two_formats(raw)
    Deployment.at(raw.parent).deliver("day-7", day_of_events(7), "web")  # after day-6.csv


@pytest.mark.parametrize(
    "deliver",
    [
        two_files,
        *(pytest.param(deliver, marks=pytest.mark.long) for deliver in (parquet, requests, two_sources)),
        *further(json_lines, compressed, table_of_values, redelivered, two_formats, formats_in_turn),
    ],
)
def test_result_is_the_same_as_without_reading_ahead(
    deliver: Write, with_and_without: tuple[Deployment, Deployment], readers: Readers
) -> None:
    for each in with_and_without:
        deliver(each.folder.raw)
    found = ingested(with_and_without[0], ahead=True)
    assert readers.second
    assert not readers.first, "the ingest reads nothing again"
    assert found == ingested(with_and_without[1], ahead=False)
    assert found.summary.read_count > 0


def test_second_thread_does_not_use_the_connection_of_the_first(
    with_and_without: tuple[Deployment, Deployment], readers: Readers
) -> None:
    requests(with_and_without[0].folder.raw)

    def look(run: Run) -> None:
        assert run.engine.connection not in readers.connections
        variables = (
            "select getvariable('has_lines_macros'), getvariable('has_requests_macros'), getvariable('inner_key')"
        )
        assert run.engine.connection.execute(variables).fetchall() == [(None, None, None)]
        assert run.engine.connection.execute("select current_setting('disabled_optimizers')").fetchall() == [("",)]

    ingested(with_and_without[0], ahead=True, look=look)
    assert len(readers.connections) == 1


def other_content(raw: Path) -> None:
    Deployment.at(raw.parent).deliver("day-6", day_of_events(8), "web")


def longer(raw: Path) -> None:
    with (raw / "web" / "day-6.jsonl").open("a") as file:
        file.write('{"visitor_id": "late", "event_time": "2026-10-06T10:00:00Z", "event_name": "page_view"}\n')


def touched(raw: Path) -> None:
    path = raw / "web" / "day-6.jsonl"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


def removed(raw: Path) -> None:
    (raw / "web" / "day-6.jsonl").unlink()


def other_format(raw: Path) -> None:
    (raw / "web" / "day-6.jsonl").rename(raw / "web" / "day-6.csv")


def corrupt(raw: Path) -> None:
    (raw / "web" / "day-6.jsonl").write_bytes(gzip.compress(b"{}"))


def a_link(raw: Path) -> None:
    path = raw / "web" / "day-6.jsonl"
    path.rename(raw.parent / "elsewhere.jsonl")
    path.symlink_to("../../elsewhere.jsonl")


def one_more(raw: Path) -> None:
    Deployment.at(raw.parent).deliver("day-4", day_of_events(4), "web")


def same_content_in_another_format(raw: Path) -> None:
    shutil.copyfile(raw / "web" / "day-6.jsonl", raw / "web" / "a.csv")


def another_key(raw: Path) -> None:
    key = raw.parent / "visitor_key"
    key.unlink()
    key.write_text("ab" * 32 + "\n")


CHANGES = [
    other_content,
    touched,
    removed,
    one_more,
    another_key,
    *further(longer, other_format, corrupt, a_link, same_content_in_another_format),
]


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES)
def test_file_that_changes_before_the_ingest_is_read_as_it_is_then(
    change: Write, with_and_without: tuple[Deployment, Deployment], readers: Readers
) -> None:
    for each in with_and_without:
        json_lines(each.folder.raw)
    found = ingested(with_and_without[0], ahead=True, between=change)
    assert readers.second == ["day-6.jsonl"]
    assert found == ingested(with_and_without[1], ahead=False, between=change)


def test_visitor_ids_are_made_with_the_key_of_the_ingest(
    with_and_without: tuple[Deployment, Deployment], readers: Readers
) -> None:
    for each in with_and_without:
        requests(each.folder.raw)
    found = ingested(with_and_without[0], ahead=True, between=another_key)
    assert (readers.second, readers.first) == (["access.log"], ["access.log"])
    assert found == ingested(with_and_without[1], ahead=False, between=another_key)


def test_reading_is_for_the_settings_that_it_was_read_with(with_and_without: tuple[Deployment, Deployment]) -> None:
    json_lines(with_and_without[0].folder.raw)

    def look(run: Run) -> None:
        key = find_key(run.folder.visitor_key)
        assert run.files_ahead is not None
        assert run.files_ahead.is_for(run.settings, key)
        assert not run.files_ahead.is_for(run.settings.model_copy(update={"timezone": "Asia/Tokyo"}), key)

    ingested(with_and_without[0], ahead=True, look=look)


@pytest.mark.parametrize("change", [other_content, removed, *further(longer, touched, corrupt, a_link)])
def test_file_that_changes_after_it_is_listed_is_read_as_it_is_then(
    change: Write, with_and_without: tuple[Deployment, Deployment], readers: Readers
) -> None:
    for each in with_and_without:
        json_lines(each.folder.raw)
    found = ingested(with_and_without[0], ahead=True, at_file=change)
    assert readers.second == ["day-6.jsonl"]
    assert found == ingested(with_and_without[1], ahead=False, at_file=change)


def corrupt_file(raw: Path) -> None:
    json_lines(raw)
    corrupt(raw)


def refused_file(raw: Path) -> None:
    json_lines(raw)
    (raw / "web" / "notes.docx").write_text("no events")


def refused_header(raw: Path) -> None:
    (raw / "web" / "day-6.csv").write_text("name,name\na,b\n")


def outside_of_a_source(raw: Path) -> None:
    json_lines(raw)
    (raw / "web" / "day-6.jsonl").rename(raw / "day-6.jsonl")


def one_content_twice(raw: Path) -> None:
    json_lines(raw)
    shutil.copyfile(raw / "web" / "day-6.jsonl", raw / "web" / "again.jsonl")


def large(raw: Path) -> None:
    Deployment.at(raw.parent).deliver("day-6", [*day_of_events(6), *["{broken" * 20] * 20_000], "web")


def large_when_decompressed(raw: Path) -> None:
    large(raw)
    plain = raw / "web" / "day-6.jsonl"
    (raw / "web" / "day-6.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def many_bytes(raw: Path) -> None:
    for day in (6, 7):
        Deployment.at(raw.parent).deliver(f"day-{day}", [*day_of_events(day), *["{broken" * 20] * 8_000], "web")


def without_a_key(raw: Path) -> None:
    json_lines(raw)
    (raw.parent / "visitor_key").unlink()


UNUSUAL = [
    refused_file,
    one_content_twice,
    large,
    without_a_key,
    *further(corrupt_file, refused_header, outside_of_a_source, large_when_decompressed, many_bytes),
]


@pytest.mark.long
@pytest.mark.parametrize("deliver", UNUSUAL)
def test_unusual_files_are_left_to_the_ingest(
    deliver: Write, with_and_without: tuple[Deployment, Deployment], readers: Readers
) -> None:
    for each in with_and_without:
        deliver(each.folder.raw)
    if deliver is without_a_key:
        for each in with_and_without:  # otherwise each makes its own
            each.folder.visitor_key.unlink(missing_ok=True)

    def look(run: Run) -> None:
        key = find_key(run.folder.visitor_key)
        assert run.files_ahead is not None
        assert not run.files_ahead.is_for(run.settings, key)

    found = ingested(with_and_without[0], ahead=True, look=look)
    if deliver is without_a_key:
        shutil.copyfile(with_and_without[0].folder.visitor_key, with_and_without[1].folder.visitor_key)
    assert found == ingested(with_and_without[1], ahead=False)


@pytest.mark.long
@pytest.mark.parametrize(
    "error", [MemoryError(), KeyboardInterrupt(), *further(OSError(28, "No space left on device"))]
)
def test_error_while_reading_ahead_is_forgotten(
    error: BaseException, with_and_without: tuple[Deployment, Deployment], readers: Readers
) -> None:
    for each in with_and_without:
        json_lines(each.folder.raw)
    readers.error = error
    found = ingested(with_and_without[0], ahead=True)
    assert (readers.second, readers.first) == (["day-6.jsonl"], ["day-6.jsonl"])
    assert found == ingested(with_and_without[1], ahead=False)


@pytest.mark.long
def test_lines_of_erased_visitors_are_left_out(
    with_and_without: tuple[Deployment, Deployment], readers: Readers
) -> None:
    ahead, other = with_and_without
    erasures.begin(ahead, Person("v1", None, None))
    erasures.complete(ahead)
    shutil.rmtree(other.folder.path)
    ahead.copied_to(other.folder.path)
    for each in with_and_without:
        ingested(each, ahead=False)  # as in the fixture
        json_lines(each.folder.raw)
    found = ingested(ahead, ahead=True)
    assert readers.second == ["day-6.jsonl"]
    assert found == ingested(other, ahead=False)
    assert found.summary.accepted_count == len(day_of_events(6)) - 3


@pytest.mark.long
def test_nothing_is_read_ahead_of_an_unfinished_erasure(
    with_and_without: tuple[Deployment, Deployment], readers: Readers
) -> None:
    deployment = with_and_without[0]
    erasures.begin(deployment, Person("v1", None, None))
    json_lines(deployment.folder.raw)
    ingested(deployment, ahead=True)
    assert not readers.second


def test_one_thread_reads_nothing_ahead(
    with_and_without: tuple[Deployment, Deployment], readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DuckDBEngine, "second_jobs", lambda self: None)
    json_lines(with_and_without[0].folder.raw)
    assert ingested(with_and_without[0], ahead=True).summary.read_count == 1
    assert (readers.second, readers.first) == ([], ["day-6.jsonl"])
