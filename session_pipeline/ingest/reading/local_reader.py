"""Admits and reads delivered files in this process, when they are asked for.

read.py reads the lines. task_reader.py reads ahead of time, and uses this module for what it did not read.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import duckdb

from session_pipeline.errors import RefusedFileError, StillWrittenError
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.admission.raw_folder import Delivery
from session_pipeline.ingest.mapping.source_rules import SourceRules
from session_pipeline.ingest.reading.read import read_together
from session_pipeline.ingest.reading.result import ReadResult


class LocalReader:
    """Admits and reads files in this process when it is asked to."""

    looks_ahead = False

    def __init__(
        self,
        raw: Path,
        scratch: Path,
        connection: duckdb.DuckDBPyConnection,
        rules_of: Callable[[str], SourceRules],
    ) -> None:
        """Take the raw folder, the folder for temporary files, a connection, and the rules of sources."""
        self._raw = raw
        self._scratch = scratch
        self._connection = connection
        self._rules_of = rules_of

    def look_ahead(self, deliveries: Sequence[Delivery], known: Iterable[tuple[str, str]]) -> None:
        """Do nothing."""

    def admit(self, delivery: Delivery) -> Admitted:
        """Admit a delivery; see admit.admit."""
        if not delivery.source:
            # First, because a link to the folder of a source is not in a folder either.
            if delivery.path.is_symlink():
                raise RefusedFileError(
                    "it is a link, and links are not followed; put the files themselves into the folder of a source,"
                    " or mount their folder there (mount --bind)"
                )
            raise RefusedFileError("it is not in the folder of a source; move it into one, such as raw/web/")
        return self._admit(delivery.path, delivery.source)

    def read(self, files: Sequence[Admitted]) -> Sequence[ReadResult]:
        """Read files; see read.read_together."""
        rules = self._rules_of(files[0].source).of(files[0].preset)
        return read_together(files, rules, self._connection, self._scratch)

    def admit_again(self, admitted: Admitted) -> Admitted:
        """Admit a file that another machine admitted, to read it here.

        Raises:
            StillWrittenError: It has other content now.
        """
        again = self._admit(admitted.path, admitted.source)
        if again.file_id != admitted.file_id:
            again.discard()
            raise StillWrittenError
        return again

    def _admit(self, path: Path, source: str) -> Admitted:
        return self._rules_of(source).admit(path, root=self._raw, scratch=self._scratch)
