"""Admits and reads delivered files ahead of time as tasks on a cluster, and joins the readings of ranges of a file.

tasks.py has the work of a task. local_reader.py reads what was not read ahead of time.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

from session_pipeline.engines.base import TaskRunner
from session_pipeline.errors import CorruptFileError, RefusedFileError, StillWrittenError
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.admission.line_ranges import BYTES_OF_RANGE
from session_pipeline.ingest.admission.raw_folder import Delivery
from session_pipeline.ingest.mapping.fields import mappings_of
from session_pipeline.ingest.mapping.source_rules import SourceRules
from session_pipeline.ingest.reading.figures import Figures, check_counts
from session_pipeline.ingest.reading.local_reader import LocalReader
from session_pipeline.ingest.reading.nameless import shares
from session_pipeline.ingest.reading.result import RangeReading, RawDay, ReadResult, reading_of
from session_pipeline.ingest.reading.small_files import (
    LARGEST_SMALL_BYTES,
    MOST_BYTES_TOGETHER,
    MOST_FILES_TOGETHER,
    part_path,
)
from session_pipeline.ingest.reading.tasks import (
    EarlierTask,
    FileTask,
    Outcome,
    Place,
    RangeTask,
    RenumberTask,
    count_earlier,
    renumber_events,
    take_files,
    take_range,
)
from session_pipeline.store.part_files import part_name, write_manifest
from session_pipeline.store.records import WrittenFile

LEAST_BYTES_FOR_TASKS = 64 << 20


class TaskReader:
    """Admits and reads all files ahead of time, as tasks. Each file is a task, and so is each range of a large one."""

    looks_ahead = True

    def __init__(
        self,
        local: LocalReader,
        runner: TaskRunner,
        place: Place,
        rules_of: Callable[[str], SourceRules],
    ) -> None:
        """Create a reader.

        Args:
            local: Reads what was not read ahead of time.
            runner: Runs tasks.
            place: Where they work.
            rules_of: Returns the rules of a source.
        """
        self._local = local
        self._runner = runner
        self._place = place
        self._rules_of = rules_of
        self._outcomes: dict[Path, Outcome] = {}
        self._ranges: dict[str, list[RangeReading | Exception]] = {}

    def look_ahead(self, deliveries: Sequence[Delivery], known: Iterable[tuple[str, str]]) -> None:
        """Admit and read these deliveries, unless they are so few bytes that tasks would take longer."""
        if sum(delivery.byte_count for delivery in deliveries) < LEAST_BYTES_FOR_TASKS:
            return
        self._place.results.mkdir(exist_ok=True)
        known = frozenset(known)
        tasks = [
            FileTask(self._place, tuple(group), self._rules_of(group[0].source), known, BYTES_OF_RANGE)
            for group in _groups(deliveries)
        ]
        outcomes = [outcome for found in self._runner.run_tasks(take_files, tasks) for outcome in found]
        self._outcomes = {outcome.path: outcome for outcome in outcomes}
        large = {
            outcome.admitted.file_id + outcome.admitted.format: outcome.admitted
            for outcome in outcomes
            if outcome.admitted is not None
            and outcome.admitted.ranges
            and (outcome.admitted.file_id, outcome.admitted.format) not in known
        }
        self._read_ranges(large)

    def admit(self, delivery: Delivery) -> Admitted:
        """Return what a task admitted, or raise why it did not."""
        outcome = self._outcomes.get(delivery.path)
        if outcome is None:
            return self._local.admit(delivery)
        if outcome.admitted is None:
            assert outcome.failure is not None
            raise outcome.failure
        return outcome.admitted

    def read(self, files: Sequence[Admitted]) -> Sequence[ReadResult]:
        """Return what tasks read; read the rest here."""
        return [self._read(admitted) for admitted in files]

    def _read(self, admitted: Admitted) -> ReadResult:
        outcome = self._outcomes.get(admitted.path)
        if outcome is None:
            return self._local.read([admitted])[0]
        if outcome.failure is not None:
            return _as_reading(outcome.failure)
        if outcome.reading is not None:
            return outcome.reading
        if ranges := self._ranges.get(admitted.file_id + admitted.format):
            return self._joined(admitted, ranges)
        try:
            again = self._local.admit_again(admitted)
        except (CorruptFileError, RefusedFileError) as error:
            return error
        return self._local.read([again])[0]

    def _read_ranges(self, large: Mapping[str, Admitted]) -> None:
        """Read the ranges of large files, and number the events without an id across the ranges of each."""
        tasks = [
            (name, RangeTask(self._place, admitted, lines, self._rules_of(admitted.source).of(admitted.preset)))
            for name, admitted in large.items()
            for lines in admitted.ranges
        ]
        found = self._runner.run_tasks(take_range, [task for _, task in tasks])
        for (name, _), reading in zip(tasks, found, strict=True):
            self._ranges.setdefault(name, []).append(reading)
        for readings in self._ranges.values():
            self._renumber(readings)

    def _renumber(self, readings: list[RangeReading | Exception]) -> None:
        """Give the events without an id the occurrence numbers that they have in the whole file."""
        there = {number: each for number, each in enumerate(readings) if isinstance(each, RangeReading)}
        counts = {number: each.nameless_path for number, each in there.items() if each.nameless_path is not None}
        if len(there) < len(readings) or len(counts) < 2:
            return
        earlier_tasks = [EarlierTask(self._place, counts, first, end) for first, end in shares(len(counts))]
        earlier = [found for found in self._runner.run_tasks(count_earlier, earlier_tasks) if found is not None]
        tasks = [
            RenumberTask(self._place, number, [each.path for each in earlier if number in each.range_numbers], of.days)
            for number, of in there.items()
            if any(number in each.range_numbers for each in earlier)
        ]
        for task, days in zip(tasks, self._runner.run_tasks(renumber_events, tasks), strict=True):
            readings[task.range_number] = replace(there[task.range_number], days=days)

    def _joined(self, admitted: Admitted, ranges: Sequence[RangeReading | Exception]) -> ReadResult:
        """Return the reading of a file from those of its ranges: a folder of part files for each date."""
        readings = []
        for each in ranges:
            if isinstance(each, Exception):
                return _as_reading(each)
            readings.append(each)
        figures, file_id = Figures(), admitted.file_id
        for each in readings:
            figures.merge(each.figures)
        check_counts(admitted, figures)
        rules = self._rules_of(admitted.source).of(admitted.preset)
        mapping = mappings_of(rules, admitted.format, figures.values).get(file_id, {})
        joined = reading_of(figures, file_id, mapping, partial(part_path, self._place.results.parent, file_id))
        parts: dict[date, list[RawDay]] = defaultdict(list)
        for each in readings:
            for part in each.days:
                parts[part.utc_date].append(part)
        for day in joined.days:
            of_day = parts[day.utc_date]
            _make_folder(day.path, [part.path for part in of_day])
            written = [
                WrittenFile(day.path / part_name(number), part.row_count, part.sha256)
                for number, part in enumerate(of_day)
            ]
            write_manifest(day.path, written)
        if joined.quarantine_path is not None:
            paths = [each.quarantine_path for each in readings if each.quarantine_path is not None]
            _make_folder(joined.quarantine_path, paths)
        return joined


def _groups(deliveries: Sequence[Delivery]) -> list[list[Delivery]]:
    """Return deliveries in groups for a task each: small ones of a source together, others alone."""
    groups: list[list[Delivery]] = []
    open_groups: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        if not delivery.source:
            continue  # refused without a look at it
        if delivery.byte_count > LARGEST_SMALL_BYTES:
            groups.append([delivery])
            continue
        group = open_groups.get(delivery.source)
        if (
            group is None
            or len(group) == MOST_FILES_TOGETHER
            or sum(each.byte_count for each in group) + delivery.byte_count > MOST_BYTES_TOGETHER
        ):
            group = open_groups[delivery.source] = []
            groups.append(group)
        group.append(delivery)
    return groups


def _as_reading(error: Exception) -> CorruptFileError | RefusedFileError:
    """Return the error that says why a file cannot be read; raise every other error."""
    if isinstance(error, FileNotFoundError):
        return StillWrittenError()
    if not isinstance(error, CorruptFileError | RefusedFileError):
        raise error
    return error


def _make_folder(folder: Path, paths: Sequence[Path]) -> None:
    """Move files into a new folder of part files, in order."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, path in enumerate(paths):
        path.rename(folder / part_name(number))
