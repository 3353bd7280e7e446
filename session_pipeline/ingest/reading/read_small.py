"""Reads small files of one source and format together, as one part.

small_files.py collects their lines and writes their rows; work.py runs the queries in between.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.reading import small_files
from session_pipeline.ingest.reading.lines import lines_in
from session_pipeline.ingest.reading.raw_rows import by_file_and_date, with_columns
from session_pipeline.ingest.reading.small_files import write_parts
from session_pipeline.ingest.reading.work import Errors, Work
from session_pipeline.tables import table


class SmallFiles(Work):
    """Reads small files of one source and format together, as one part."""

    def __init__(
        self, files: Sequence[Admitted], rules: ReadingRules, connection: duckdb.DuckDBPyConnection, scratch: Path
    ) -> None:
        """Take the files, the rules of their source, a connection, and the folder for the files to write."""
        super().__init__(files, rules, connection, connection, scratch)
        self._paths: list[Path] = []

    def discard(self) -> None:
        """Remove everything that was written."""
        for path in self._paths:
            path.unlink(missing_ok=True)

    def _read_lines(self) -> Errors:
        path = self._scratch / f"{self._files[0].file_id}.lines.parquet"
        try:
            collected = small_files.collect(self._files, path, self._connection)
            select = self._rows(lines_in(path, self._format))
            # Binding this query takes longer than reading some lines. As a relation, it would be bound twice.
            self._connection.execute(f"create or replace temp table read_lines as {select}")
            rows = self._connection.table("read_lines").to_arrow_table()
        finally:
            path.unlink(missing_ok=True)
        events = rows.column("event_in_line") if self._rules.events_in else None
        raw = self._take(with_columns(rows, collected.places(events)))
        self._write(raw, [admitted.file_id for admitted in self._files])
        return collected.errors

    def _write(self, raw: pa.Table | None, file_ids: Sequence[str]) -> None:
        """Write the rows of each small file and date, and its quarantined lines."""
        days = [day for file_id in file_ids for day in self._figures.days(file_id)]
        parts = [(self._path(day.file_id, "raw_events", day.utc_date), day.row_count) for day in days]
        quarantined = [
            (self._path(file_id, "quarantined_lines"), self._figures.set_aside_count(file_id))
            for file_id in sorted(self._figures.reasons)
        ]
        self._paths = [path for path, _ in [*parts, *quarantined]]
        if raw is not None:
            write_parts(by_file_and_date(raw), table("raw_events"), parts)
        if quarantined:
            write_parts(self._quarantined(), table("quarantined_lines"), quarantined)
