"""Writes the file of the warehouse: every published table, as a table or as a view.

A new file is a copy of the current one in which the partitions that differ are replaced. It then replaces the current
file by rename; open connections keep the old one. publication.py decides when to publish, native_limit.py which tables
are views, and warehouse.py opens the file.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from glob import escape
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from session_pipeline.engines.sql import literal, query_text, quote, rows_of
from session_pipeline.errors import StoreError
from session_pipeline.publish.macros import MACROS
from session_pipeline.publish.native_limit import partitions_by_table, tables_as_views
from session_pipeline.publish.native_rows import (
    NOTHING_KEPT,
    Kept,
    comment,
    drop,
    native_columns,
    replace_partitions,
    replace_rows,
    write_at_the_end,
)
from session_pipeline.publish.shown_files import ShownFiles, make_internal_tables
from session_pipeline.publish.warehouse import tables_of
from session_pipeline.store import crash_points
from session_pipeline.store.files import (
    copy_file,
    refusal_explained,
    remove_temporaries,
    sync_file,
    sync_folder,
    temporary_name,
)
from session_pipeline.store.records import Partition
from session_pipeline.store.shortage import is_full_disk
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES, Table, models

if TYPE_CHECKING:  # slow to load, and readers do not need it
    import pyarrow as pa

STORAGE_VERSION = "v1.5.0"


class NewFile:
    """A warehouse file that is written next to the present one, and then replaces it.

    If the path is a symbolic link, the link stays and its target is replaced.

    Attributes:
        replaced_count: The number of partitions that were inserted, replaced or deleted; a view counts as one.
        is_in_place: Whether it has replaced the present file.
    """

    _numbers = count()  # each file has its own name: DuckDB cannot write a file whose name another connection reads

    def __init__(self, path: Path, *, is_only_writer: bool) -> None:
        """Take the path of the warehouse. Nothing is written yet.

        Args:
            path: The path of the warehouse.
            is_only_writer: Whether the caller holds the lock that each writer of this file holds.
        """
        self._link, self._path = path, Path(os.path.realpath(path))
        self._temporary = temporary_name(self._path, next(self._numbers))
        self._is_only_writer = is_only_writer
        self.replaced_count = 0
        self.is_in_place = False

    @property
    def place(self) -> Path:
        """Where the file is now, once it is written."""
        return self._path if self.is_in_place else self._temporary

    def write(
        self,
        store: Store,
        partitions: Sequence[Partition],
        info: "pa.Table",
        *,
        native_limit_bytes: float,
        starts_empty: bool = False,
        kept: Kept = NOTHING_KEPT,
        left_out: Collection[str] = (),
    ) -> None:
        """Write a file that shows exactly these partitions. After an error, there is no file.

        Args:
            store: The store.
            partitions: The partitions to show.
            info: The row of warehouse_info.
            native_limit_bytes: The size of the file beyond which the largest tables become views.
            starts_empty: Whether to write all tables again instead of copying the present file, because another program
                wrote or damaged it, or because its tables, macros or their comments are those of another version.
            kept: The rows that are still in memory.
            left_out: Published tables that the warehouse does not have: the settings do not build them, and no day has
                them.

        Raises:
            DamagedError: A file of the store that it reads is damaged.
            StoreError: There is a write-ahead log next to the warehouse: another program opened it for writing.
        """
        self._check_no_writer()
        self._prepare_folder()
        write = partial(_write, store, self._temporary, partitions, info, native_limit_bytes, left_out)
        try:
            is_copy = self._path.exists() and not starts_empty
            if is_copy:
                self._copy()
                crash_points.reached("warehouse: copied")
            try:
                self.replaced_count = write(kept)
            except duckdb.Error as error:
                if is_full_disk(error) and not is_copy:  # another attempt would fill it again
                    raise
                # The old file may be damaged, or have too many old rows for the disk, or the rows that are kept left
                # too little memory. The store has everything, so write a new file without them.
                self.discard()
                self.replaced_count = write(NOTHING_KEPT)
            crash_points.reached("warehouse: written")
            sync_file(self._temporary)
            crash_points.reached("warehouse: file durable")
        except BaseException:
            self.discard()  # a failed copy must not keep a full disk full
            raise

    def _check_no_writer(self) -> None:
        if wal := next((found for found in map(_wal_of, (self._link, self._path)) if found.exists()), None):
            raise StoreError(
                f"{wal} exists: something opened the warehouse for writing; close that program, remove both files,"
                " and run again: the warehouse is rebuilt from the store"
            )

    def _prepare_folder(self) -> None:
        """Remove the temporary files of dead processes, and check that the folder can be written to."""
        with refusal_explained(self._link):
            pattern = f".{escape(self._path.name)}.*"
            remove_temporaries(self._path.parent, pattern, is_only_writer=self._is_only_writer)
            self._temporary.touch()  # here, so that the error of the copy is about the file that is read
            self._temporary.unlink()

    def _copy(self) -> None:
        try:
            copy_file(self._path, self._temporary)
        except PermissionError as error:
            raise StoreError(
                f"{self._path} cannot be read ({error.strerror}); make it readable for the user that runs this, or"
                " remove it, and run again: it is rebuilt from the store"
            ) from None

    def put_in_place(self, check: Callable[[], None] = lambda: None) -> None:
        """Replace the present file with the one that was written. After an error, the present file stays.

        Args:
            check: Called just before. It raises an error if the file must not be replaced.

        Raises:
            StoreError: As for `write`, because another program can have opened the present file since; or the path
                is a folder or cannot be written.
        """
        try:
            self._check_no_writer()
            check()
            with refusal_explained(self._link):
                os.replace(self._temporary, self._path)
        except BaseException:
            self.discard()
            raise
        self.is_in_place = True
        crash_points.reached("warehouse: renamed")
        sync_folder(self._path.parent)
        crash_points.reached("warehouse: folder durable")

    def discard(self) -> None:
        """Remove the file if it was written and is not in place."""
        for written in (self._temporary, _wal_of(self._temporary)):
            written.unlink(missing_ok=True)


def _write(
    store: Store,
    path: Path,
    partitions: Sequence[Partition],
    info: "pa.Table",
    native_limit_bytes: float,
    left_out: Collection[str],
    kept: Kept,
) -> int:
    by_table = partitions_by_table(partitions, left_out)
    views = tables_as_views(by_table, native_limit_bytes)
    is_new = not path.exists()
    with kept.connect() as connection, _attached(connection, path):
        connection.execute("begin")
        write_at_the_end(connection)
        if is_new:
            make_internal_tables(connection)
        shown = ShownFiles(connection)
        _drop_unknown(connection, by_table, shown)
        columns = native_columns(connection)
        replaced = 0
        for name, found in by_table.items():
            contract = TABLES[name]
            if name == "warehouse_info":
                replace_rows(connection, columns, contract, info)
            elif name in views:
                _make_view(connection, store, contract, found, shown)
                replaced += 1
            else:
                replaced += replace_partitions(connection, columns, store, contract, found, kept, shown)
        shown.write(connection)
        if is_new:
            _make_macros(connection)
        crash_points.reached("warehouse: rows replaced")
        connection.execute("commit")
        crash_points.reached("warehouse: committed")
        connection.execute("checkpoint warehouse")
        crash_points.reached("warehouse: checkpointed")
    _wal_of(path).unlink(missing_ok=True)
    return replaced


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[None]:
    """Use the file in this block. After an error, what was not committed is rolled back."""
    connection.execute(f"attach {literal(str(path))} as warehouse (storage_version {literal(STORAGE_VERSION)})")
    try:
        connection.execute("use warehouse")
        yield
    except BaseException:
        for statement in ("rollback", "use memory", "detach warehouse"):
            with suppress(duckdb.Error):  # the error before it is the one to report
                connection.execute(statement)
        raise
    connection.execute("use memory")
    connection.execute("detach warehouse")


def _make_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the macros for analysts, in a new file. If they change, a new file is written; see `starts_empty`."""
    connection.execute(models.macros() + query_text(__package__, "macros"))
    connection.execute(
        ";".join(
            f"comment on macro {'table ' if macro.is_table else ''}{name} is {literal(macro.comment(name))}"
            for name, macro in MACROS.items()
        )
    )


def _drop_unknown(connection: duckdb.DuckDBPyConnection, by_table: Collection[str], shown: ShownFiles) -> None:
    """Drop tables that another version published and this one does not have; they would never be updated again."""
    for name in sorted(tables_of(connection) - set(by_table)):
        drop(connection, name)
        shown.remove_table(name)


def _make_view(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    contract: Table,
    found: Sequence[Partition],
    shown: ShownFiles,
) -> None:
    drop(connection, contract.name)
    paths = [path for partition in found for path in store.paths_of(partition)]
    try:
        connection.execute(f"create view {quote(contract.name)} as {rows_of(contract, paths, with_date=True)}")
    except duckdb.Error:
        store.check_intact(found)  # only now, because a view has the files of the whole history
        raise
    shown.remove_table(contract.name)
    shown.add(found)
    comment(connection, contract, "view")


def _wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")
