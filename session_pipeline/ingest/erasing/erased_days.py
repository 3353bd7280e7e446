"""Finds the days of delivered files whose events have erased ids, many files in one query.

A query for each file would take longer than reading all of them. erased_rows.py then looks at the rows of the days that
are found.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb

from session_pipeline.engines.connections import private_connection
from session_pipeline.engines.sql import quote, rows_of
from session_pipeline.ingest.erasing.erasures import Erasures, Kind
from session_pipeline.tables import table

MOST_FILES_TOGETHER = 500
MOST_BYTES_TOGETHER = 64 << 20  # of Parquet; their different ids are in memory together
# A former id can be that of a visitor or of a user.
COLUMNS: Mapping[str, Sequence[Kind]] = {
    "visitor_id": ("visitor",),
    "user_id": ("user",),
    "previous_id": ("visitor", "user"),
}
Day = tuple[str, date]  # the id of a delivered file, and a UTC date


def days_with_erased(paths: Mapping[Day, Sequence[Path]], erasures: Erasures, site: str) -> set[Day]:
    """Return the days of which an event has an erased visitor, user or former id.

    Days whose files cannot be read together, because one of them is damaged, are all returned. So are all of them if
    one has an erased id in a row of another file or day.

    Args:
        paths: The files of raw_events of each day.
        erasures: The erasures.
        site: The site of the files.
    """
    found: set[Day] = set()
    for group in _groups(paths):
        days = {day for day, _ in group}
        try:
            with_erased = _found_in([path for _, path in group], erasures, site)
        except (OSError, duckdb.Error):
            with_erased = days
        # Rows of other days are damaged, so nobody knows whose they are.
        found |= with_erased if with_erased <= days else days
    return found


def look_at(paths: Sequence[Path], erasures: Erasures, connection: duckdb.DuckDBPyConnection) -> None:
    """Create the view linking_events: the events of files of raw_events, with the former id that each one names."""
    connection.execute(f"create temp view raw_events as {rows_of(table('raw_events'), paths)}")
    linking = erasures.linking_events or "select *, '' as previous_id from raw_events"
    connection.execute(f"create temp view linking_events as {linking}")


def _groups(paths: Mapping[Day, Sequence[Path]]) -> Iterator[list[tuple[Day, Path]]]:
    """Yield files that are read together, each with its day."""
    group: list[tuple[Day, Path]] = []
    byte_count = 0
    for day, path in ((day, path) for day, files in paths.items() for path in files):
        is_full = len(group) == MOST_FILES_TOGETHER or byte_count + _size(path) > MOST_BYTES_TOGETHER
        if group and is_full:
            yield group
            group, byte_count = [], 0
        group.append((day, path))
        byte_count += _size(path)
    if group:
        yield group


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0  # a file that is gone is found when it is read


def _found_in(files: Sequence[Path], erasures: Erasures, site: str) -> set[Day]:
    conditions, parameters = [], []
    with private_connection(temp_directory="", threads=1) as connection:
        look_at(files, erasures, connection)
        for column, kinds in COLUMNS.items():
            values = f"select distinct {quote(column)} from linking_events where {quote(column)} <> ''"
            ids = [each for (each,) in connection.execute(values).fetchall()]
            if erased := [each for kind in kinds for each in erasures.erased(kind, site, ids)]:
                conditions.append(f"list_contains(?::varchar[], {quote(column)})")
                parameters.append(erased)
        if not conditions:
            return set()
        days = "select distinct file_id, cast(event_time as date) from linking_events"
        return set(connection.execute(f"{days} where {' or '.join(conditions)}", parameters).fetchall())
