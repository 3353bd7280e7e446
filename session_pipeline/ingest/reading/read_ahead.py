"""Reads the new files of a small day in a second thread, before the ingest comes to them.

deliveries.py decides as usual which files are taken, and what is committed. It gets a reading from here only if the
file is in the state in which it was read, and the settings and the key are the same. It reads everything else itself,
also after an error here.
"""

import shutil
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from functools import cache
from itertools import groupby
from pathlib import Path

import duckdb

from session_pipeline.data_folder import DataFolder
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.admission.raw_folder import Delivery, deliveries
from session_pipeline.ingest.formats.compression import compression_of_name
from session_pipeline.ingest.mapping.source_rules import SourceRules
from session_pipeline.ingest.mapping.visitors import VisitorKey, find_key
from session_pipeline.ingest.reading.local_reader import LocalReader
from session_pipeline.ingest.reading.readers import Reader
from session_pipeline.ingest.reading.result import Reading, ReadResult
from session_pipeline.ingest.reading.small_files import LARGEST_SMALL_BYTES, MOST_FILES_TOGETHER, is_small
from session_pipeline.settings import Settings

MOST_BYTES_AHEAD = LARGEST_SMALL_BYTES  # of all files; reading more takes longer than what the first thread does
# Compressed lines are about so many times larger. If they are too large, they were decompressed for nothing.
USUAL_RATIO = 16


class FilesAhead:
    """The readings of some delivered files.

    `read` is for the second thread. Everything else is for the first thread, when the second one has stopped.
    """

    def __init__(
        self,
        folder: DataFolder,
        settings: Settings,
        names: Collection[str],
        connection: duckdb.DuckDBPyConnection,
        scratch: Path,
    ) -> None:
        """Take what is needed to read files.

        Args:
            folder: The data folder.
            settings: Its settings.
            names: The files, by path below raw/.
            connection: A connection that only `read` uses.
            scratch: Folder for temporary files.
        """
        self._folder = folder
        self._settings = settings
        self._names = frozenset(names)
        self._connection = connection
        self._scratch = scratch / "ahead"  # a folder of its own, because the ingest may read the same content again
        self._key: VisitorKey | None = None
        self._admitted: dict[Delivery, Admitted] = {}
        self._readings: dict[Path, tuple[Admitted, Reading]] = {}

    def read(self) -> None:
        """Admit and read the files, if they are few and small. Keeps all readings, or none after an error."""
        with closing(self._connection):
            self._connection.execute("set enable_progress_bar = false")
            key = find_key(self._folder.visitor_key)
            found = [delivery for delivery in deliveries(self._folder) if delivery.name in self._names]
            if key is None or len(found) < len(self._names) or not _are_few(found):
                return
            self._scratch.mkdir()
            rules_of = cache(lambda source: SourceRules(self._settings, source, key))
            reader = LocalReader(self._folder.raw, self._scratch, self._connection, rules_of)
            admitted = [reader.admit(delivery) for delivery in found]
            if not _are_small_and_different(admitted):
                return
            groups = [list(files) for _, files in groupby(admitted, key=lambda each: each.reading_group)]
            readings = [each for files in groups for each in reader.read(files) if isinstance(each, Reading)]
            if len(readings) == len(found):
                self._key = key
                self._admitted = dict(zip(found, admitted, strict=True))
                self._readings = {each.path: (each, reading) for each, reading in zip(admitted, readings, strict=True)}

    def is_for(self, settings: Settings, key: VisitorKey | None) -> bool:
        """Whether files were read, with these settings and this key."""
        return bool(self._admitted) and (self._settings, self._key) == (settings, key)

    def take_admitted(self, delivery: Delivery) -> Admitted | None:
        """Return a file once, if it is in the state in which it was admitted and read; otherwise None."""
        admitted = self._admitted.pop(delivery, None)
        return admitted if admitted is not None and admitted.is_unchanged() else None

    def take_reading(self, admitted: Admitted) -> Reading | None:
        """Return the reading of a file from `take_admitted`, once; None for every other file."""
        known = self._readings.get(admitted.path)
        if known is None or known[0] is not admitted:
            return None
        del self._readings[admitted.path]
        return known[1]

    def discard(self) -> None:
        """Remove what was not taken."""
        self._admitted.clear()
        self._readings.clear()
        shutil.rmtree(self._scratch, ignore_errors=True)


class ReaderAhead:
    """Gives what `FilesAhead` has. Another reader admits and reads everything else."""

    def __init__(self, ahead: FilesAhead, reader: Reader) -> None:
        """Take the readings and the reader of everything else."""
        self._ahead = ahead
        self._reader = reader
        self.looks_ahead = reader.looks_ahead

    def look_ahead(self, deliveries: Sequence[Delivery], known: Iterable[tuple[str, str]]) -> None:
        """Let the other reader prepare for these deliveries."""
        self._reader.look_ahead(deliveries, known)

    def admit(self, delivery: Delivery) -> Admitted:
        """Admit a delivery; see admit.admit."""
        return self._ahead.take_admitted(delivery) or self._reader.admit(delivery)

    def read(self, files: Sequence[Admitted]) -> Sequence[ReadResult]:
        """Read files; see read.read_together. The rows of a small file do not depend on the files read with it."""
        known = {admitted.path: self._ahead.take_reading(admitted) for admitted in files}
        others = [admitted for admitted in files if known[admitted.path] is None]
        read_now = iter(self._reader.read(others) if others else ())
        return [known[admitted.path] or next(read_now) for admitted in files]


def _are_few(found: Sequence[Delivery]) -> bool:
    """Whether files are so few bytes that they are read while the first thread does something else."""
    byte_count = sum(
        delivery.byte_count * (USUAL_RATIO if compression_of_name(delivery.name.lower()) else 1) for delivery in found
    )
    return len(found) <= MOST_FILES_TOGETHER and byte_count <= MOST_BYTES_AHEAD


def _are_small_and_different(admitted: Sequence[Admitted]) -> bool:
    """Whether all files are small, and no two are the same content of a source."""
    return all(map(is_small, admitted)) and len({each.file_id for each in admitted}) == len(admitted)
