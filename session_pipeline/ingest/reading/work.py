"""Runs the queries that read lines, and counts what they find.

It is the base of read_small.py and read_large.py, which provide the lines and write the rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from session_pipeline.errors import CorruptFileError, RefusedFileError, SessionPipelineError
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.formats.format import Lines
from session_pipeline.ingest.mapping.fields import mappings_of, parts_of
from session_pipeline.ingest.mapping.given_lines import NO_SAMPLE, UNCOMPARED, Sample, given_lines
from session_pipeline.ingest.mapping.reshape import reshaped
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.visitors import VisitorKey
from session_pipeline.ingest.reading import small_files
from session_pipeline.ingest.reading.figures import Figures, check_counts
from session_pipeline.ingest.reading.raw_rows import rows_of
from session_pipeline.ingest.reading.result import ReadResult, if_unchanged, reading_of
from session_pipeline.ingest.sql import define, forget, query

Errors = dict[str, CorruptFileError | RefusedFileError]  # why files cannot be read, by file id
# This optimizer makes a join of a comparison with five or more constants, and joins do not keep the order of the lines.
UNORDERED = "in_clause"
# Each JSON function of DuckDB keeps in memory what it parsed of a batch of rows, usually 2,048. Lines that are changed
# pass many of them, so they are given in smaller batches (measured: a third of the memory, and no slower).
CHANGED_LINES_AT_ONCE = 256


class Work(ABC):
    """What reading small files and reading a large file have in common: the queries and the figures.

    The connection reads the lines. The writer, a second connection to the same database, counts and writes them.
    """

    def __init__(
        self,
        files: Sequence[Admitted],
        rules: ReadingRules,
        connection: duckdb.DuckDBPyConnection,
        writer: duckdb.DuckDBPyConnection,
        scratch: Path,
    ) -> None:
        self._files = files
        self._format = files[0].format
        self._rules = rules
        self._connection = connection
        self._writer = writer
        self._scratch = scratch
        self._figures = Figures()
        self._giver: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        """Begin the work."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the work. After an error, nothing that it wrote is kept."""
        try:
            if kind is not None:
                self.discard()
        finally:
            self.close()

    def read(self) -> list[ReadResult]:
        """Read the files; return for each one its reading, or the error that says why it cannot be read."""
        errors = self._read_all()
        mappings = mappings_of(self._rules, self._format, self._figures.values)
        return [
            errors.get(admitted.file_id)
            or if_unchanged(
                admitted,
                reading_of(
                    self._figures,
                    admitted.file_id,
                    mappings.get(admitted.file_id, {}),
                    partial(self._path, admitted.file_id),
                ),
            )
            for admitted in self._files
        ]

    @abstractmethod
    def discard(self) -> None:
        """Remove everything that was written."""

    def close(self) -> None:
        """Take the visitor key from the connection, drop the views and tables, and use all optimizers again."""
        if self._rules.makes_visitors(self._format):
            VisitorKey.take_from(self._connection)
        forget(self._writer)
        if self._giver is not None:
            self._giver.close()
        self._connection.execute("set disabled_optimizers = ''")

    @abstractmethod
    def _read_lines(self) -> Errors:
        """Read the lines and write their rows."""

    def _sample(self, checked_lines: str) -> Sample:
        """Return what is known of the first lines, with which lines are read faster."""
        return NO_SAMPLE

    def _lines_at_once(self, delivered_lines: str) -> int | None:
        """Return how many lines are given at once; None leaves it to DuckDB, which takes 2,048."""
        return CHANGED_LINES_AT_ONCE if self._rules.changes_lines(self._format) else None

    def _nameless_ids(self) -> pa.Array:
        """Return the event ids of the accepted lines without one."""
        return self._writer.sql(query("nameless_events")).to_arrow_table().column("event_id").combine_chunks()

    def _read_all(self) -> Errors:
        """Read all files, write their rows and check their numbers."""
        self._prepare()
        errors = self._read_lines()
        for admitted in self._files:
            if admitted.file_id not in errors:
                check_counts(admitted, self._figures)
        return errors

    def _prepare(self) -> None:
        [(keeps_order,)] = self._connection.execute("select current_setting('preserve_insertion_order')").fetchall()
        if not keeps_order:
            raise SessionPipelineError("lines are numbered by their order; set preserve_insertion_order = true")
        for each in (self._connection, self._writer):
            each.execute(f"set disabled_optimizers = '{UNORDERED}'")
        self._define(self._connection)
        if self._rules.key_values:
            define(self._connection, "key_values")
        if self._rules.request:
            define(self._connection, "requests")

    def _define(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Create the macros for lines, and give the visitor key if visitor ids are made."""
        define(connection, "lines")
        if self._rules.makes_visitors(self._format):
            assert self._rules.visitor_key is not None, "visitors of this file need a key"
            define(connection, "requests")
            self._rules.visitor_key.give_to(connection)

    def _rows(self, lines: Lines) -> str:
        """Return the query of read_lines.sql.

        It contains the queries that it reads from. Each of them as a view would be bound again in the next one.
        """
        self._writer.execute("create or replace temp table earlier_lines (content_id uuid, line_count bigint)")
        delivered = f"({format_named(self._format).as_json(lines.select, self._rules)})"
        sample = self._sample(self._checked(delivered, UNCOMPARED))
        if (row_count := self._lines_at_once(delivered)) is not None:
            self._connection.register("delivered_lines", self._in_batches(delivered, row_count))
            delivered = "delivered_lines"
        given = given_lines(partial(self._checked, delivered), self._rules, self._format, sample)
        return query("read_lines", given_lines=f"({given})", **parts_of(self._rules, self._format))

    def _checked(self, delivered_lines: str, parts: Mapping[str, str]) -> str:
        """Return the query of checked_lines.sql with some parts, and with the lines as they are mapped to columns."""
        checked = query("checked_lines", delivered_lines=delivered_lines, **parts)
        return f"({reshaped(checked, self._rules, self._format)})"

    def _in_batches(self, select: str, row_count: int) -> pa.RecordBatchReader:
        """Return the rows of a SELECT in their order, read by a connection of its own."""
        if self._giver is not None:
            self._giver.close()
        self._giver = self._connection.cursor()
        [(timezone,)] = self._connection.execute("select current_setting('TimeZone')").fetchall()
        self._giver.execute("set timezone = $1", [timezone])
        self._giver.execute(f"set disabled_optimizers = '{UNORDERED}'")
        self._giver.execute("set enable_progress_bar = false")
        if format_named(self._format).has_own_visitors:
            self._define(self._giver)  # macros and variables are those of one connection
        return self._giver.sql(select).to_arrow_reader(row_count)

    def _take(self, lines: pa.Table) -> pa.Table | None:
        """Count the lines of a part, and return the rows of its accepted lines; None if it has none."""
        is_accepted = pc.and_not(pc.is_null(lines.column("reason")), lines.column("is_blank"))
        self._writer.register("numbered_lines", lines)
        self._writer.execute(f"create or replace temp view accepted_lines as {query('accepted_lines')}")
        self._figures.add(self._rules, self._writer, lines)
        accepted = lines if pc.all(is_accepted).as_py() else lines.filter(is_accepted)
        if not accepted.num_rows:
            return None
        event_ids = self._nameless_ids() if accepted.column("event_id").null_count else None
        rows, keyed = rows_of(accepted, self._rules, self._writer, event_ids)
        self._figures.keyed |= keyed
        return rows

    def _quarantined(self) -> pa.Table:
        """Return the rows of quarantined_lines of a part."""
        origin = {"its_source": self._rules.source, "its_site": self._rules.site}
        return self._writer.sql(query("quarantined_lines"), params=origin).to_arrow_table()

    def _path(self, file_id: str, name: str, utc_date: date | None = None) -> Path:
        return small_files.part_path(self._scratch, file_id, name, utc_date)
