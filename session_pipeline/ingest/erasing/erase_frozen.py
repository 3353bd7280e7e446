"""Removes the rows of erased visitors and users from the tables of frozen days.

A frozen day has no raw events any more, so it cannot be built again without a visitor. Its tables with a row for each
event, session or visitor are written again without the erased rows. Its counts stay as they are; if they name an erased
session as an example, they name none. frozen_matches.py finds the rows, and frozen_visitors.py computes the history of
visitors that an erased user shared with others. erase_stored.py does the same for what was read from delivered files.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from session_pipeline.engines import short_files
from session_pipeline.engines.parquet_files import ROW_GROUP_ROWS
from session_pipeline.ingest.erasing.erasures import Unfinished
from session_pipeline.ingest.erasing.former_ids import without_ids
from session_pipeline.ingest.erasing.frozen_matches import Matches, matching
from session_pipeline.ingest.reading.day_files import WRITTEN
from session_pipeline.store import crash_points
from session_pipeline.store.records import Key, Partition, Written
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES

FORMER_ID = "previous_id"
EXAMPLE = "session_id"  # in the names of columns that have ids of sessions as examples


def frozen_dates(store: Store, table: str) -> set[date]:
    """Return the frozen days that have rows of a table."""
    return {partition.key.date for partition in frozen_partitions(store, (table,)) if partition.key.date}


def frozen_partitions(store: Store, names: Sequence[str] = ()) -> list[Partition]:
    """Return the partitions of frozen days, of all tables that are not logs or of some tables."""
    frozen_before = store.catalog.frozen_before()
    if frozen_before is None:
        return []
    return [
        partition
        for key, partition in sorted(store.partitions.items())
        if key.date is not None
        and key.date < frozen_before
        and not key.file_id
        and key.table in (names or TABLES)
        and not TABLES[key.table].is_log
    ]


def erase_frozen(store: Store, left: Unfinished, linking_events: str, run_id: str, reason: str) -> int:
    """Remove the erased rows of all frozen days, in one transaction; return how many rows were removed.

    Args:
        store: The store, open for writing.
        left: Who is erased.
        linking_events: SQL that adds `previous_id` to the relation raw_events; empty if former ids are not compared.
        run_id: The run that erases.
        reason: Why the partitions are written, as it is recorded.
    """
    partitions, frozen_before = frozen_partitions(store), store.catalog.frozen_before()
    if not partitions or frozen_before is None:
        return 0
    written, count = [], 0
    with matching(store, left, frozen_before) as matches:
        for partition in partitions:
            if not store.is_intact(partition):
                continue  # a run that reads it names it, and asks for a backup
            rows = pa.concat_tables(pq.read_table(path, partitioning=None) for path in store.paths_of(partition))
            kept = _without_erased(partition.key, rows, left, matches)
            if partition.key.table == "events" and linking_events:
                kept = without_ids(kept, matches.former_ids(kept, linking_events))
            if kept is rows:
                continue
            path = store.scratch / f"{partition.key.table}.{partition.key.date}.erased.parquet"
            _write(kept, rows.schema, path)
            count += len(rows) - len(kept)
            written.append(
                Written(
                    partition.key,
                    path,
                    len(kept),
                    partition.fingerprint,
                    parts=dict(partition.parts),
                    counts=dict(partition.counts),
                    reason=reason,
                    causes=(reason,),
                )
            )
    if written:
        store.commit(written, run_id=run_id)
        crash_points.reached("erase: frozen days written again")
    return count


def _write(rows: pa.Table, schema: pa.Schema, path: Path) -> None:
    if len(rows) <= short_files.MOST_ROWS:
        short_files.write(short_files.prepared(rows, schema), path)
    else:
        pq.write_table(rows, path, row_group_size=ROW_GROUP_ROWS, **WRITTEN)


def _without_erased(key: Key, rows: pa.Table, left: Unfinished, matches: Matches) -> pa.Table:
    """Return what is kept of the rows of a partition; the rows themselves if all of it is."""
    is_erased = matches.erased_rows(key.table, key.date, rows)
    kept = rows if is_erased is None else rows.filter(pc.invert(is_erased))
    kept = matches.without_values(kept, key.date)
    kept = matches.histories.corrected(key.table, key.date, without_former_ids(kept, left))
    return _without_examples(kept, left)


def without_former_ids(rows: pa.Table, left: Unfinished) -> pa.Table:
    """Return rows of identity_links without erased former ids; rows that are equal then become one."""
    if FORMER_ID not in rows.column_names:
        return rows
    erased = {*left.visitors, *left.users, *left.former_ids}
    former = rows.column(FORMER_ID).to_pylist()
    kept = ["" if each in erased else each[1] for each in zip(rows.column("site").to_pylist(), former, strict=True)]
    if kept == former:
        return rows
    contract = TABLES["identity_links"]
    blanked = rows.set_column(
        rows.column_names.index(FORMER_ID), rows.schema.field(FORMER_ID), pa.array(kept, pa.string())
    )
    figures = [("first_seen_at", "min"), ("last_seen_at", "max"), ("event_count", "sum")]
    merged = blanked.group_by(list(contract.key), use_threads=False).aggregate(figures)
    merged = merged.rename_columns([*contract.key, *(name for name, _ in figures)]).select(rows.column_names)
    return merged.cast(rows.schema).sort_by([(name, "ascending") for name in contract.order])


def _without_examples(rows: pa.Table, left: Unfinished) -> pa.Table:
    """Return rows whose examples are null where they name an erased session; the rows themselves if none does."""
    for place, name in enumerate(rows.column_names):
        if EXAMPLE not in name or name == EXAMPLE:
            continue
        texts = rows.column(name).to_pylist()
        kept = [None if text is not None and left.search.is_in(text) else text for text in texts]
        if kept != texts:
            rows = rows.set_column(place, rows.schema.field(place), pa.array(kept, rows.schema.field(place).type))
    return rows
