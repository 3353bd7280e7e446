"""Numbers equal lines without an event id across the ranges of a file.

The id of such an event is the hash of its content and of its occurrence number in the file. A range that is read alone
numbers its own lines from 1. The contents that also occur in earlier ranges are then found, each in one place, and only
the events of these get other ids. Such contents are few, because equal lines usually follow each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from session_pipeline.engines.parquet_files import ROW_GROUP_ROWS
from session_pipeline.engines.sql import file_list, literal
from session_pipeline.ingest.reading.day_files import WRITTEN
from session_pipeline.ingest.sql import query

FIRST_DIGITS = 8  # of a content, in hex


@dataclass(frozen=True)
class Earlier:
    """A file with the number of lines of a content before a range.

    Attributes:
        path: The file: range_number, content_id, line_count.
        range_numbers: The ranges that have such contents.
    """

    path: Path
    range_numbers: tuple[int, ...]


def shares(count: int) -> list[tuple[str, str | None]]:
    """Divide all contents into so many shares; return the first content of each and the first after it."""
    starts = [f"{number * 16**FIRST_DIGITS // count:0{FIRST_DIGITS}x}" for number in range(count)]
    return list(zip(starts, [*starts[1:], None], strict=True))


def earlier_lines(
    connection: duckdb.DuckDBPyConnection, counts: Mapping[int, Path], first: str, end: str | None, path: Path
) -> Earlier | None:
    """Write how many lines of each content are in the ranges before each range; None if there are none.

    Args:
        connection: A connection.
        counts: A file with the contents of each range and their number of lines.
        first: The first content.
        end: The content after the last; None: all that follow.
        path: The file to write.
    """
    of_ranges = " union all ".join(
        f"select {number} as range_number, content_id, line_count from read_parquet({file_list([each])})"
        f" where content_id >= {literal(first)}" + (f" and content_id < {literal(end)}" if end else "")
        for number, each in sorted(counts.items())
    )
    select = query("earlier_ranges", of_ranges=of_ranges)
    connection.execute(f"copy ({select}) to {literal(str(path))} (format parquet)")
    numbers = connection.execute(f"select distinct range_number from read_parquet({file_list([path])}) order by all")
    found = tuple(number for (number,) in numbers.fetchall())
    return Earlier(path, found) if found else None


def renumber(
    connection: duckdb.DuckDBPyConnection, source: Path, earlier: Sequence[Path], range_number: int, target: Path
) -> None:
    """Write a file of raw_events again, with the ids that its events have in the whole file.

    Args:
        connection: A connection.
        source: The file, with the ids that its events have in the range alone.
        earlier: Files of `Earlier`.
        range_number: The range.
        target: The new file.
    """
    select = query("renumbered_events", rows=file_list([source]), earlier=file_list(earlier), range_number=range_number)
    changed = connection.sql(select).to_arrow_table().combine_chunks()
    numbers, ids = changed.column("line_number").combine_chunks(), changed.column("event_id").combine_chunks()
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, file.schema_arrow, **WRITTEN) as writer:
        for batch in file.iter_batches(ROW_GROUP_ROWS, use_threads=False):
            rows = pa.table(batch.columns, names=batch.schema.names)
            places = pc.index_in(rows.column("line_number"), numbers).combine_chunks()
            event_ids = pc.coalesce(ids.take(places), rows.column("event_id").combine_chunks())
            writer.write_table(rows.set_column(rows.schema.get_field_index("event_id"), "event_id", event_ids))
