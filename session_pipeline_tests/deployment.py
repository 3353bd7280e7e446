"""A deployment in its own folder, for tests: settings, deliveries, runs without Dagster, tables.

A run does the same as on the command line and in Dagster: it ingests, builds what the plan lists, and publishes.
"""

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import duckdb
import pandas as pd

from session_pipeline.build.plan import Plan
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.sql import rows_of
from session_pipeline.publish import reader
from session_pipeline.publish.publication import Published
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.tables import table
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEP_OF_TABLE, STEPS

# Put before a command that must respect file permissions: root ignores them.
WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []

PATH = "path_of_row"  # a column that no table has


class Deployment:
    """A data folder of a test.

    Args:
        folder: The data folder; it is created.
        settings: The settings.
        only: The tables that the test looks at. A run then builds only these and what they are made from, and does not
            publish: with all tables, even a small run takes a second.

    Attributes:
        in_two_threads: Whether a second thread computes steps ahead, as in a command. With few events, this takes a
            quarter more CPU time. Tests of the threads, of several writers, of crashes and of random programs set it.
    """

    only: Collection[str] | None = None
    in_two_threads = False

    def __init__(
        self, folder: Path, settings: Mapping[str, Any] | None = None, *, only: Collection[str] | None = None
    ) -> None:
        self.folder = DataFolder(folder)
        self.only = only
        folder.mkdir(parents=True, exist_ok=True)
        self.set(settings or {})

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Return the deployment that already exists in a folder, with its settings unchanged."""
        deployment = cls.__new__(cls)
        deployment.folder = DataFolder(folder)
        return deployment

    def copied_to(self, folder: Path) -> "Deployment":
        """Return a copy in another folder, which a test may change."""
        shutil.copytree(self.folder.path, folder)
        copied = Deployment.at(folder)
        copied.only = self.only
        return copied

    def set(self, settings: Mapping[str, Any]) -> None:
        self.folder.settings.write_text(to_toml(settings))

    def deliver(self, name: str, lines: Sequence[dict[str, Any] | str], source: str = "test") -> Path:
        path = self.folder.raw / source / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("".join(text + "\n" for text in texts))
        return path

    def run(
        self,
        until: date | None = None,
        days: Collection[date] | None = None,
        *,
        upgrade: bool = True,
        publishes: bool = True,
    ) -> list[tuple[str, date | None]]:
        """Run once; return the (step, day) pairs that were built. With `days`, build only these and do not publish.

        A run that does not publish lets nothing expire, either.
        """
        built = []
        needed = None if self.only is None else steps_of(frozenset(self.only))
        with open_run(self.folder, run_id="test", until=until, upgrade=upgrade, wait_seconds=60) as run:
            run.ingest()
            run.drop_unwanted()
            plan = run.plan(upgrade=upgrade)
            if self.in_two_threads and needed is None and days is None and plan.days:
                run.begin_ahead(plan.days[0], plan.days[-1])
            for step, planned in by_step(plan):
                if needed is not None and step.name not in needed:
                    continue
                for day_group in [planned] if days is None else [(day,) for day in planned if day in days]:
                    if days is not None and run.planner.fingerprints.of(step, day_group[0]) is None:
                        continue  # it reads a day that was not requested and does not exist
                    built += [(step.name, result.day) for result in run.build(step, day_group) if result.was_built]
            if days is not None or needed is not None or not publishes:
                self.published = "only a part was asked for"
            else:
                self.published = run.publish()
                assert isinstance(self.published, Published) or "already" in self.published, self.published
        return built

    def plan(self, until: date | None = None) -> Plan:
        with open_run(self.folder, run_id="test", until=until, wait_seconds=60) as run:
            return run.plan()

    def table(self, name: str) -> pd.DataFrame:
        """Return all rows of a store table with its date column, ordered by date and file; NULL as None."""
        store = open_store(self.folder)
        contract = table(name)
        paths = [
            (str(path), partition.key.date) for partition in store.of_table(name) for path in store.paths_of(partition)
        ]
        store.close()
        if not paths:
            return pd.DataFrame(columns=[column.name for column in contract.columns], dtype=object)
        rows = read_parquet([path for path, _ in paths])
        days = rows.pop(PATH).map(dict(paths)).astype(object)
        if contract.date_column and contract.date_column not in rows.columns:
            rows.insert(0, contract.date_column, days)
        return rows

    def records(self, name: str) -> list[dict[str, Any]]:
        """Return all rows of a store table as `table` does, each by the names of its columns."""
        found: list[dict[str, Any]] = self.table(name).to_dict("records")
        return found

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query of the warehouse, read as users do."""
        with reader.connect(self.folder.path) as connection:
            return connection.execute(sql).fetchall()

    @contextmanager
    def stored(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the tables in `only` as those of a warehouse, which a run that builds only these does not publish."""
        assert self.only is not None, "connect to the warehouse, which has all tables"
        with closing(open_store(self.folder)) as store, duckdb.connect() as connection:
            for name in self.only:
                paths = [path for partition in store.of_table(name) for path in store.paths_of(partition)]
                connection.execute(f"create view {name} as {rows_of(table(name), paths, with_date=True)}")
            yield connection

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every partition, except those of tables that log history."""
        store = open_store(self.folder)
        found = {
            f"{key} {key.file_id}": partition.sha256
            for key, partition in store.partitions.items()
            if key.table != "source_files" and not table(key.table).is_log
        }
        store.close()
        return found


def by_step(plan: Plan) -> list[tuple[Step, tuple[date | None, ...]]]:
    """Return the steps that have something to build, in order, each with its days in order."""
    groups = (list(items) for _, items in groupby(plan.items, key=lambda item: item.step.name))
    return [(items[0].step, tuple(item.day for item in items)) for items in groups]


@cache
def steps_of(tables: frozenset[str]) -> frozenset[str]:
    """Return the names of the steps that build these tables and all tables that they are made from."""
    found: set[str] = set()
    wanted = set(tables)
    while wanted:
        name = wanted.pop()
        step = STEP_OF_TABLE.get(name) or next((step for step in STEPS for log in step.logs if log.table == name), None)
        if step is not None and step.name not in found:
            found.add(step.name)
            wanted |= {item.table for item in step.inputs}
            wanted |= {item.table for log in step.logs for item in log.inputs.values()}
    return frozenset(found)


def damage(path: Path, data: bytes) -> None:
    """Overwrite a file of the store, which is read-only, with other bytes."""
    path.chmod(0o644)
    path.write_bytes(data)


def flipped(data: bytes) -> bytes:
    """Return the bytes with one bit changed, that in the middle."""
    damaged = bytearray(data)
    damaged[len(damaged) // 2] ^= 1
    return bytes(damaged)


def read_parquet(paths: Sequence[str]) -> pd.DataFrame:
    """Return the rows of files, in their order, with the path of each; one query, as each takes milliseconds."""
    options = f"hive_partitioning = false, union_by_name = true, filename = '{PATH}'"
    with looking() as connection:
        rows = connection.execute(f"select * from read_parquet($1, {options})", [paths]).fetchall()
        names = [column[0] for column in connection.description or ()]
    return pd.DataFrame(rows, columns=names, dtype=object)


def looking() -> duckdb.DuckDBPyConnection:
    """Return a connection for reading files; close it after use.

    A separate database for each call would take longer than the read.
    """
    return _database(os.getpid()).cursor()


@cache
def _database(process: int) -> duckdb.DuckDBPyConnection:
    """One database per process: a forked process cannot use a connection of its parent. It does not cache files."""
    return duckdb.connect(config={"enable_external_file_cache": False})


def to_toml(settings: Mapping[str, Any], prefix: str = "") -> str:
    """Write nested settings as TOML: tables, lists of tables, scalars and lists."""
    lines = [f"{_key(key)} = {_value(value)}" for key, value in settings.items() if not isinstance(value, Mapping)]
    for key, value in settings.items():
        if isinstance(value, Mapping):
            name = f"{prefix}{_key(key)}"
            lines += ["", f"[{name}]", to_toml(value, f"{name}.")]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """Write a text as JSON does, but without the pairs of escapes for emoji and with DEL escaped, as TOML wants it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
