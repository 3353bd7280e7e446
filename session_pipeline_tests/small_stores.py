"""Stores with a few rows of real tables, for tests of publishing that need no run.

A run over delivered files is in deployment.py.
"""

import shutil
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from session_pipeline.build.plan import Item, Plan
from session_pipeline.data_folder import DataFolder
from session_pipeline.publish.native_rows import NOTHING_KEPT
from session_pipeline.publish.new_warehouse import NewWarehouse
from session_pipeline.publish.publication import Published, publish
from session_pipeline.reference.days import Calendar
from session_pipeline.settings import parse_settings
from session_pipeline.store.records import Key, Partition, Written
from session_pipeline.store.store import Store
from session_pipeline.tables import table
from session_pipeline.tables.frame import Frame

UNTIL = date(2026, 10, 8)


def plan_of(settings: str = "", until: date = UNTIL, outdated: Sequence[Item] = ()) -> Plan:
    """A plan that has nothing to build."""
    parsed = parse_settings(settings, "settings.toml")
    return Plan((), tuple(outdated), (), Frame(parsed, Calendar(parsed.timezone), (), until))


def put(store: Store, key: Key, *sites: str, file_count: int = 1) -> Partition:
    """Commit a partition with one row for each site. Its other columns are null, except the delivered file.

    Args:
        store: The store, open for writing.
        key: The partition.
        sites: The site of each row.
        file_count: The number of files; several have one row each.
    """
    schema = table(key.table).schema
    rows = [{"site": site, **({"file_id": key.file_id} if key.file_id else {})} for site in sites]
    path = store.scratch / "rows"
    if file_count == 1:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    else:
        assert file_count == len(rows)
        path.mkdir()
        for number, row in enumerate(rows):
            pq.write_table(pa.Table.from_pylist([row], schema=schema), path / f"{number:05}.parquet")
    [partition] = store.commit([Written(key, path, len(rows), fingerprint="f")], run_id="test")
    shutil.rmtree(path, ignore_errors=True)
    return partition


def drop(store: Store, keys: Iterable[Key]) -> None:
    """Drop partitions from a store."""
    store.commit([], run_id="test", drop=keys)


def written_ahead(data: Path, store: Store, plan: Plan | None = None) -> NewWarehouse:
    """Write the warehouse of a store's present state next to the one that readers see."""
    new = NewWarehouse(DataFolder(data), store, plan or plan_of(), package_version="1.0", run_id="test")
    new.write(NOTHING_KEPT)
    return new


def published(data: Path, store: Store, plan: Plan | None = None, *, written: NewWarehouse | None = None) -> Published:
    """Publish what a store has. A damaged partition is an error."""

    def repair(partition: Partition) -> None:
        raise AssertionError(f"{partition.key} is damaged")

    return publish(
        DataFolder(data),
        store,
        plan or plan_of(),
        package_version="1.0",
        run_id="test",
        repair=repair,
        kept=NOTHING_KEPT,
        written=written,
    )
