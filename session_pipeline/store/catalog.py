"""The catalog: records the store's partitions, delivered files and publications in one SQLite file.

catalog_file.py opens the file and has its transactions and its state. store.py handles the Parquet files;
build/planner.py finds what is stale.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from session_pipeline.store import damage, read_only
from session_pipeline.store.catalog_file import BUSY_SECONDS, CatalogFile
from session_pipeline.store.catalog_rows import (
    OF_KEY,
    PARTITION,
    file_paths_of,
    key_values,
    partition_of,
    publication_of,
    row_of,
)
from session_pipeline.store.file_facts import FileFacts
from session_pipeline.store.records import Key, Partition, Publication, Recipe, SourceFile


def deliveries_in(path: Path) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return the fingerprint and the facts of the present content of each path, from a file of any version.

    Changes no table.
    """
    with closing(read_only.connect_to_read(path, BUSY_SECONDS)) as connection:
        rows = connection.execute(
            "select path, fingerprint, facts from deliveries join source_files using (file_id) where stamp <> ''"
        ).fetchall()
    return {name: (fingerprint, json.loads(facts)) for name, fingerprint, facts in rows}


class Catalog(CatalogFile):
    """The open catalog: reads and writes its rows."""

    def __init__(self, path: Path) -> None:
        """Open the catalog; create it if it does not exist."""
        super().__init__(path)
        # The ledger as it was read last, and the state of the file then. A run asks for it several times.
        self._ledger: tuple[tuple[int, int, int], dict[str, SourceFile]] | None = None
        self._ledger_changes = 0

    # Partitions

    def partitions(self) -> dict[Key, Partition]:
        """All partitions."""
        with self._explained():
            rows = self._connection.execute(f"select {', '.join(PARTITION)} from partitions")
            return {partition.key: partition for partition in map(partition_of, rows)}

    def put(self, partitions: Sequence[Partition]) -> None:
        """Record partitions and retire their previous files. Call within a transaction."""
        if not partitions:
            return
        paths = [[file.path for file in partition.files] for partition in partitions]
        for partition, its_paths in zip(partitions, paths, strict=True):
            self._retire(partition.key, except_paths=its_paths, generation=partition.generation)
        self._connection.executemany(
            "delete from retired where path = ?", [(path,) for its_paths in paths for path in its_paths]
        )
        damage.put_rows(self._connection, "partitions", list(map(row_of, partitions)))

    def drop(self, key: Key, generation: int) -> None:
        """Remove a partition and retire its files. Call within a transaction."""
        self._retire(key, except_paths=(), generation=generation)
        self._connection.execute(f"delete from partitions where {OF_KEY}", key_values(key))

    def mark_damaged(self, key: Key) -> None:
        """Record that a partition's file is damaged, so that the next run rebuilds it."""
        rows = self._connection.execute(
            f"select {', '.join(PARTITION)} from partitions where {OF_KEY}", key_values(key)
        )
        damage.put_rows(self._connection, "partitions", [dict(row) | {"is_damaged": 1} for row in rows.fetchall()])

    def _retire(self, key: Key, *, except_paths: Collection[str], generation: int) -> None:
        rows = self._connection.execute(f"select path, part_list from partitions where {OF_KEY}", key_values(key))
        before = (path for row in rows.fetchall() for path in file_paths_of(row))
        retired = [{"path": path, "generation": generation} for path in before if path not in except_paths]
        damage.put_rows(self._connection, "retired", retired)

    def retired(self, until_generation: int) -> list[str]:
        """Files that no partition has used since a generation."""
        rows = self._connection.execute("select path from retired where generation <= ?", (until_generation,))
        return [row["path"] for row in rows]

    def forget_retired(self, paths: Iterable[str]) -> None:
        """Delete the records of retired files that were removed."""
        self._connection.executemany("delete from retired where path = ?", [(path,) for path in paths])

    def named_paths(self) -> set[str]:
        """All files that a partition uses, and all retired files."""
        rows = self._connection.execute("select path, part_list from partitions union all select path, '' from retired")
        return {path for row in rows for path in file_paths_of(row)}

    # Recipes: what all partitions of a step that are built with the same code and settings have in common

    def put_recipe(self, recipe: Recipe) -> None:
        """Record the parts of a recipe under its hash. Call within a transaction."""
        row = {"recipe": recipe.value, "parts": json.dumps(recipe.parts)}
        damage.put_rows(self._connection, "recipes", [row], verb="insert or ignore")

    def recipes(self) -> dict[str, dict[str, str]]:
        """The parts of all recipes that were ever used, by hash."""
        with self._explained():
            rows = self._connection.execute("select recipe, parts from recipes")
            return {row["recipe"]: json.loads(row["parts"]) for row in rows}

    # Delivered files

    def source_files(self) -> dict[str, SourceFile]:
        """The ledger, by file id.

        `delivery_count` and `path` are derived from the deliveries and do not depend on their order.
        """
        # The transaction in which it was read may have failed since.
        state = self.data_version(), self._ledger_changes, self._rollback_count
        if self._ledger is None or self._ledger[0] != state:
            with self._explained():
                self._ledger = state, self._read_ledger()
        return dict(self._ledger[1])

    def _read_ledger(self) -> dict[str, SourceFile]:
        rows = self._connection.execute(
            "select file_id, min(path) as first_path, count(*) as delivery_count from deliveries group by file_id"
        )
        delivered = {file_id: {"path": path, "delivery_count": count} for file_id, path, count in rows}
        never: Mapping[str, Any] = {"path": None, "delivery_count": 0}
        rows = self._connection.execute("select file_id, fingerprint, facts from source_files order by file_id")
        return {
            file_id: SourceFile(file_id, fingerprint, self._facts(file_id, facts, delivered.get(file_id, never)))
            for file_id, fingerprint, facts in rows
        }

    def _facts(self, file_id: str, facts: str, delivered: Mapping[str, Any]) -> FileFacts:
        about = f"delivered file {delivered['path'] or file_id}"
        return cast(FileFacts, damage.RecordedValues(json.loads(facts) | delivered, self._path, about))

    def put_source_file(self, source_file: SourceFile) -> None:
        """Record a delivered file. Call within a transaction."""
        self._ledger_changes += 1
        row = {
            "file_id": source_file.file_id,
            "fingerprint": source_file.fingerprint,
            "facts": json.dumps(source_file.facts),
        }
        damage.put_rows(self._connection, "source_files", [row])

    def forget_source_file(self, file_id: str) -> None:
        """Remove a delivered file and its paths from the ledger. Call within a transaction."""
        self._ledger_changes += 1
        self._connection.execute("delete from source_files where file_id = ?", (file_id,))
        self._connection.execute("delete from deliveries where file_id = ?", (file_id,))

    def put_delivery(self, path: str, file_id: str, stamp: str) -> None:
        """Record the content found at a path, with a stamp that shows whether the file has been changed since.

        Call within a transaction.
        """
        self._ledger_changes += 1
        rows = self._connection.execute("select file_id from deliveries where path = ? and stamp <> ''", (path,))
        stamps = dict.fromkeys((row["file_id"] for row in rows.fetchall()), "") | {file_id: stamp}
        damage.put_rows(
            self._connection,
            "deliveries",
            [{"path": path, "file_id": content, "stamp": its_stamp} for content, its_stamp in stamps.items()],
        )

    def delivered(self) -> dict[str, tuple[str, str]]:
        """The stamp and file id that each path had when it was last read."""
        with self._explained():
            rows = self._connection.execute("select path, stamp, file_id from deliveries where stamp <> ''")
            return {row["path"]: (row["stamp"], row["file_id"]) for row in rows}

    def paths_of(self, file_id: str) -> list[str]:
        """Every path under which a content was delivered."""
        rows = self._connection.execute("select path from deliveries where file_id = ? order by path", (file_id,))
        return [row["path"] for row in rows]

    # Publications

    def publications(self) -> list[Publication]:
        """All publications, newest first."""
        with self._explained():
            rows = self._connection.execute("select * from publications order by generation desc")
            return list(map(publication_of, rows))

    def latest_publication(self) -> Publication | None:
        """The latest publication; None if nothing was published yet."""
        with self._explained():
            row = self._connection.execute("select * from publications order by generation desc limit 1").fetchone()
            return publication_of(row) if row else None

    def put_publication(self, publication: Publication) -> None:
        """Record a publication."""
        row = {**asdict(publication), "data_until": publication.data_until.isoformat()}
        damage.put_rows(self._connection, "publications", [row])
