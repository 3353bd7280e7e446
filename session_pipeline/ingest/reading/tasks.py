"""The work of ingest that runs on other machines: a task admits and reads files, or reads a range of lines.

A task takes plain values and returns plain values, and writes files below a folder that all machines see. It never
touches the catalog: task_reader.py collects the results, deliveries.py decides, and recorder.py commits. A task can run
twice, so each attempt writes to a folder of its own; what a lost attempt left is removed with the scratch folder of the
run.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import duckdb

from session_pipeline.engines.connections import private_connection
from session_pipeline.errors import SessionPipelineError, StillWrittenError
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.admission.line_ranges import LineRange, copy_range
from session_pipeline.ingest.admission.raw_folder import Delivery
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.source_rules import SourceRules
from session_pipeline.ingest.reading.nameless import Earlier, earlier_lines, renumber
from session_pipeline.ingest.reading.read import read_range, read_together
from session_pipeline.ingest.reading.result import RangeReading, RawDay, Reading
from session_pipeline.ingest.reading.small_files import is_small
from session_pipeline.store.store_files import sha256_of


@dataclass(frozen=True)
class Place:
    """Where a task works.

    Attributes:
        raw: The raw folder.
        results: Folder that all machines see, for the files of all tasks.
        memory: DuckDB's memory limit for a task.
    """

    raw: Path
    results: Path
    memory: str


@dataclass(frozen=True)
class Outcome:
    """What a task found out about a delivery.

    Attributes:
        path: The delivered file.
        admitted: The admitted file; None if it cannot be admitted.
        reading: Its rows; None if it cannot be read, is known already, or is to be read in ranges.
        failure: Why it cannot be admitted or read; None if it can.
    """

    path: Path
    admitted: Admitted | None = None
    reading: Reading | None = None
    failure: Exception | None = None


@dataclass(frozen=True)
class FileTask:
    """Deliveries of one source to admit and read: one large file, or several small ones.

    Attributes:
        known: File ids and formats that need not be read again.
    """

    place: Place
    deliveries: tuple[Delivery, ...]
    rules: SourceRules
    known: frozenset[tuple[str, str]]
    bytes_of_range: int


@dataclass(frozen=True)
class RangeTask:
    """A range of lines of a large admitted file to read."""

    place: Place
    admitted: Admitted
    lines: LineRange
    rules: ReadingRules


@dataclass(frozen=True)
class EarlierTask:
    """Contents of a file without an event id, to count in the ranges before each range.

    Attributes:
        counts: Files of RangeReading.nameless_path, by number of the range.
        first: The first content.
        end: The content after the last; None: all that follow.
    """

    place: Place
    counts: Mapping[int, Path]
    first: str
    end: str | None


@dataclass(frozen=True)
class RenumberTask:
    """Files of raw_events of a range, in which events get other ids because of lines in earlier ranges."""

    place: Place
    range_number: int
    earlier: Sequence[Path]
    days: Sequence[RawDay]


def take_files(task: FileTask) -> list[Outcome]:
    """Admit files and read them. Small ones are read together, as on one machine, so their bytes are the same."""
    with _attempt(task.place) as (connection, results, local):
        outcomes: dict[Path, Outcome] = {}
        # By what files have in common that are read together, and by content.
        small: dict[tuple[str, str], dict[str, list[Admitted]]] = {}
        for delivery in task.deliveries:
            try:
                admitted = task.rules.admit(
                    delivery.path, root=task.place.raw, scratch=local, bytes_of_range=task.bytes_of_range
                )
            except (SessionPipelineError, FileNotFoundError) as error:
                outcomes[delivery.path] = Outcome(delivery.path, failure=error)
                continue
            if task.rules.of(admitted.preset).events_in:
                admitted = replace(admitted, ranges=())  # a range does not know the events of the lines before it
            # The copy of a compressed file is on this machine only.
            outcomes[delivery.path] = Outcome(delivery.path, replace(admitted, plain_path=delivery.path))
            if (admitted.file_id, admitted.format) in task.known or admitted.ranges:
                admitted.discard()
            elif is_small(admitted):
                kind = admitted.format, admitted.preset or ""
                small.setdefault(kind, {}).setdefault(admitted.file_id, []).append(admitted)
            else:
                _read([admitted], task, connection, results, outcomes)
        for _, of_content in sorted(small.items()):
            _read([same[0] for same in of_content.values()], task, connection, results, outcomes)
            for first, *others in of_content.values():
                for other in others:
                    other.discard()
                    found = outcomes[first.path]
                    outcomes[other.path] = replace(outcomes[other.path], reading=found.reading, failure=found.failure)
    return list(outcomes.values())


def _read(
    files: Sequence[Admitted],
    task: FileTask,
    connection: duckdb.DuckDBPyConnection,
    results: Path,
    outcomes: dict[Path, Outcome],
) -> None:
    """Read files, and add the result of each to its outcome."""
    try:
        readings: Sequence[Reading | Exception] = read_together(
            files, task.rules.of(files[0].preset), connection, results
        )
    except SessionPipelineError as error:
        readings = [error] * len(files)
    for admitted, found in zip(files, readings, strict=True):
        path = admitted.path
        if isinstance(found, Reading):
            outcomes[path] = replace(outcomes[path], reading=replace(found, days=_hashed(found.days)))
        else:
            outcomes[path] = replace(outcomes[path], failure=found)


def take_range(task: RangeTask) -> RangeReading | Exception:
    """Read a range of lines; return the error that says why it cannot be read, if it cannot."""
    admitted, lines = task.admitted, task.lines
    has_header = format_named(admitted.format).has_header
    with _attempt(task.place) as (connection, results, local):
        copy = local / "lines"
        try:
            _check_same(admitted)
            copy_range(admitted.path, lines, copy, has_header=has_header)
            _check_same(admitted)
            content = replace(
                admitted,
                plain_path=copy,
                byte_count=lines.end - lines.start,
                line_count=lines.line_count,
                blank_line_count=lines.blank_line_count,
                ranges=(),
            )
            lines_before = lines.first_line_number - 1 - has_header
            found = read_range(content, task.rules, connection, results, lines_before=lines_before)
        except (SessionPipelineError, FileNotFoundError) as error:
            return error
        return replace(found, days=_hashed(found.days))


def count_earlier(task: EarlierTask) -> Earlier | None:
    """Count contents in the ranges before each range; None if each is in one range only."""
    with _attempt(task.place) as (connection, results, _):
        return earlier_lines(connection, task.counts, task.first, task.end, results / "earlier.parquet")


def renumber_events(task: RenumberTask) -> tuple[RawDay, ...]:
    """Write the files of a range again, with the right ids, and return them."""
    with _attempt(task.place) as (connection, results, _):
        for day in task.days:
            renumber(connection, day.path, task.earlier, task.range_number, results / day.path.name)
        return _hashed([replace(day, path=results / day.path.name) for day in task.days])


def _hashed(days: Iterable[RawDay]) -> tuple[RawDay, ...]:
    return tuple(replace(day, sha256=sha256_of(day.path)) for day in days)


@contextmanager
def _attempt(place: Place) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path, Path]]:
    """Yield a connection, a new folder for results, and a folder of this machine that is removed at the end."""
    results = place.results / uuid4().hex
    results.mkdir(mode=0o700)
    with (
        tempfile.TemporaryDirectory(prefix="session-pipeline-") as local,
        private_connection(memory_limit=place.memory, temp_directory=f"{local}/spill", threads=1) as connection,
    ):
        connection.execute("set enable_progress_bar = false")
        yield connection, results, Path(local)


def _check_same(admitted: Admitted) -> None:
    """Check that a delivered file is as it was when it was admitted, maybe by another machine.

    Raises:
        StillWrittenError: It was written to meanwhile.
    """
    state = admitted.path.lstat()
    if (state.st_ino, state.st_size, state.st_mtime_ns) != admitted.stamp[1:]:  # a device has a number per machine
        raise StillWrittenError
