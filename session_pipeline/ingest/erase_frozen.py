"""Removes the rows of erased visitors and users from the tables of frozen days.

A frozen day has no raw events any more, so it cannot be built again without a visitor. Its tables with a row for each
event, session or visitor are written again without the erased rows. Its counts stay as they are; if they name an erased
session as an example, they name none. erase_stored.py does the same for what was read from delivered files.
"""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from session_pipeline.engines import short_files
from session_pipeline.ingest.day_files import ROW_GROUP_ROWS, WRITTEN
from session_pipeline.ingest.erasures import Unfinished
from session_pipeline.store import crash_points
from session_pipeline.store.records import Partition, Written
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES

IDS = ("session_id", "user_id", "carried_user_id")
VISITORS = ("visitor_id", "device_id", "person_id")
FORMER_ID = "previous_id"
EXAMPLE = "session_id"  # in the names of columns that have ids of sessions as examples


def frozen_partitions(store: Store, names: Sequence[str] = ()) -> list[Partition]:
    """Return the partitions of frozen days, of all tables that are not logs or of some tables."""
    frozen_before = store.catalog.frozen_before()
    if frozen_before is None:
        return []
    return [
        partition
        for key, partition in sorted(store.partitions.items())
        if _is_frozen(key.date, frozen_before)
        and not key.file_id
        and key.table in (names or TABLES)
        and not TABLES[key.table].is_log
    ]


def erase_frozen(store: Store, left: Unfinished, run_id: str, reason: str) -> int:
    """Remove the erased rows of all frozen days, in one transaction; return how many rows were removed.

    Args:
        store: The store, open for writing.
        left: Who is erased.
        run_id: The run that erases.
        reason: Why the partitions are written, as it is recorded.
    """
    written, count = [], 0
    for partition in frozen_partitions(store):
        if store.checked_path(partition) is None:
            continue  # a run that reads it names it, and asks for a backup
        rows = pa.concat_tables(pq.read_table(path, partitioning=None) for path in store.paths_of(partition))
        is_erased = _erased(rows, left)
        kept = without_former_ids(rows if is_erased is None else rows.filter(pc.invert(is_erased)), left)
        kept = _without_examples(kept, left)
        if kept is rows:
            continue
        path = store.scratch / f"{partition.key.table}.{partition.key.date}.erased.parquet"
        if len(kept) <= short_files.MOST_ROWS:
            short_files.write(short_files.prepared(kept, rows.schema), path)
        else:
            pq.write_table(kept, path, row_group_size=ROW_GROUP_ROWS, **WRITTEN)
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


def _erased(rows: pa.Table, left: Unfinished) -> pa.ChunkedArray | None:
    """Return, for each row of a table, whether it is erased; None if no row is."""
    names = set(rows.column_names)
    found = [_is_in(rows.column(name), left.ids) for name in IDS if name in names]
    for name in VISITORS:
        if {"site", name} <= names:
            for site in sorted({site for site, _ in left.visitors}):
                visitors = [visitor for of_site, visitor in left.visitors if of_site == site]
                found.append(pc.and_(pc.equal(rows.column("site"), site), _is_in(rows.column(name), visitors)))
    is_erased = None
    for each in found:
        is_erased = each if is_erased is None else pc.or_(is_erased, each)
    return is_erased if is_erased is not None and pc.any(is_erased).as_py() else None


def without_former_ids(rows: pa.Table, left: Unfinished) -> pa.Table:
    """Return rows of identity_links without erased former ids; rows that are equal then become one."""
    if FORMER_ID not in rows.column_names or not pc.any(_is_in(rows.column(FORMER_ID), left.ids)).as_py():
        return rows
    contract = TABLES["identity_links"]
    former = pc.if_else(_is_in(rows.column(FORMER_ID), left.ids), "", rows.column(FORMER_ID))
    blanked = rows.set_column(rows.column_names.index(FORMER_ID), rows.schema.field(FORMER_ID), former)
    figures = [("first_seen_at", "min"), ("last_seen_at", "max"), ("event_count", "sum")]
    merged = blanked.group_by(list(contract.key), use_threads=False).aggregate(figures)
    merged = merged.rename_columns([*contract.key, *(name for name, _ in figures)]).select(rows.column_names)
    return merged.cast(rows.schema).sort_by([(name, "ascending") for name in contract.order])


def _without_examples(rows: pa.Table, left: Unfinished) -> pa.Table:
    """Return rows whose examples are null where they name an erased session; the rows themselves if none does."""
    for place, name in enumerate(rows.column_names):
        if EXAMPLE not in name or name in IDS:
            continue
        texts = rows.column(name).to_pylist()
        kept = [None if text is not None and left.search.is_in(text) else text for text in texts]
        if kept != texts:
            rows = rows.set_column(place, rows.schema.field(place), pa.array(kept, rows.schema.field(place).type))
    return rows


def _is_in(column: pa.ChunkedArray, values: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(values, pa.string()))


def _is_frozen(day: date | None, frozen_before: date) -> bool:
    return day is not None and day < frozen_before
