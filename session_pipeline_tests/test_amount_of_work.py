"""Limits of the amount of work of a run: statements, scans of events, files, rows, bytes and transactions.

Seconds differ from machine to machine, but these counts do not, so they show in CI when a change makes runs slower.
What a command does once or twice is counted in test_costs.py.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy
from typer.testing import CliRunner

from session_pipeline.build import stretches
from session_pipeline.cli import app
from session_pipeline.defs import assets, resources
from session_pipeline.engines import duckdb_jobs as engine
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.publish import native_rows
from session_pipeline.store.catalog import Catalog
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, shop_lines

FIRST = date(2024, 5, 6)
DAYS = [FIRST + timedelta(days=number) for number in range(12)]

# The most work of each case. A test that fails prints the counts of now. If a change must do more work, copy them here,
# and say in the commit why. After a change that does less work, set a limit to 0 to see the counts, and copy them, too.
# Bytes are those of the versions in constraints.txt.
MOST: Mapping[str, Mapping[str, int]] = {
    "small_day": {
        "Dagster transactions": 630,
        "bytes written": 140_186,
        "catalog transactions": 41,
        "files of the store opened by Python": 619,
        "files read by statements": 207,
        "files written": 104,
        "rows written": 405,
        "scans of events": 18,
        "statements of publishing and report": 77,
        "statements of the engine": 599,
    },
    "stretch": {
        "Dagster transactions": 693,
        "bytes written": 833_025,
        "catalog transactions": 42,
        "files of the store opened by Python": 2_171,
        "files read by statements": 53,
        "files written": 519,
        "rows written": 2_871,
        "scans of events": 15,
        "statements of publishing and report": 78,
        "statements of the engine": 665,
    },
    "big_day": {
        "Dagster transactions": 693,
        "bytes written": 168_544,
        "catalog transactions": 74,
        "files of the store opened by Python": 565,
        "files read by statements": 352,
        "files written": 96,
        "rows written": 1_348,
        "scans of events": 29,
        "statements of publishing and report": 298,
        "statements of the engine": 1_104,
    },
}

SCAN_OF_EVENTS = re.compile(r'\b(?:from|join)\s+"?events"?(?![\w".])', re.IGNORECASE)
# Their rows have times and ids of runs, so their size differs from run to run.
VOLATILE = {name for name, contract in TABLES.items() if contract.is_log or name == "source_files"}


class Connection:
    """A connection of DuckDB that counts the statements of itself and its cursors."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, counted: Counter[str], label: str) -> None:
        self._connection = connection
        self._counted = counted
        self._label = label

    def execute(self, sql: str, *arguments: Any, **options: Any) -> Any:
        self._count(sql)
        return self._connection.execute(sql, *arguments, **options)

    def sql(self, sql: str, *arguments: Any, **options: Any) -> Any:
        self._count(sql)
        return self._connection.sql(sql, *arguments, **options)

    def executemany(self, sql: str, rows: Any) -> Any:
        for row in rows:
            self.execute(sql, row)

    def cursor(self) -> "Connection":
        return Connection(self._connection.cursor(), self._counted, self._label)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def _count(self, sql: str) -> None:
        self._counted[f"statements of {self._label}"] += 1
        if self._label == "the engine":
            self._counted["scans of events"] += len(SCAN_OF_EVENTS.findall(sql))


class OpenedFiles:
    """Counts the files below a folder that Python opens. A hook cannot be removed, so it is switched on and off."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.count = 0
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and self.folder is not None and str(arguments[0]).startswith(self.folder):
            self.count += 1


OPENED = OpenedFiles()


@contextmanager
def counting(folder: Path) -> Iterator[Counter[str]]:
    """Count the work that is done within the block."""
    counted: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        connect = duckdb.connect

        def counting_connect(*arguments: Any, **options: Any) -> Any:
            config = options.get("config", {})
            if "lock_configuration" in config:  # checks conditions of settings; one for the whole process
                return connect(*arguments, **options)
            label = "the engine" if "temp_directory" in config else "publishing and report"
            return Connection(connect(*arguments, **options), counted, label)

        patch.setattr(duckdb, "connect", counting_connect)
        # Which steps the second thread computes depends on the clock, and so do the views that each connection makes.
        patch.setattr(DuckDBEngine, "second_jobs", lambda engine: None)
        for module in (engine, native_rows):
            patch.setattr(module, "rows_of", _counting_paths(module.rows_of, counted))  # type: ignore[attr-defined]
        patch.setattr(Store, "commit", _counting_writes(Store.commit, counted))
        patch.setattr(Catalog, "transaction", _counting_calls(Catalog.transaction, counted, "catalog transactions"))
        patch.setattr(Catalog, "number", _counting_calls(Catalog.number, counted, "numbers of the catalog"))
        # What depends on the clock: waiting for a file that was just written, a message or a question every second.
        patch.setattr(assets, "SETTLE_SECONDS", 0)
        patch.setattr(assets, "LOG_SECONDS", float("inf"))
        patch.setattr(resources, "ASK_SECONDS", float("inf"))

        def on_commit(_connection: Any) -> None:
            counted["Dagster transactions"] += 1

        sqlalchemy.event.listen(sqlalchemy.Engine, "commit", on_commit)
        OPENED.folder, OPENED.count = str(folder / "store"), 0
        try:
            yield counted
        finally:
            OPENED.folder = None
            sqlalchemy.event.remove(sqlalchemy.Engine, "commit", on_commit)
    counted["files of the store opened by Python"] = OPENED.count


def _counting_calls(original: Callable[..., Any], counted: Counter[str], what: str) -> Callable[..., Any]:
    def counting_call(*arguments: Any, **options: Any) -> Any:
        counted[what] += 1
        return original(*arguments, **options)

    return counting_call


def _counting_paths(original: Callable[..., Any], counted: Counter[str]) -> Callable[..., Any]:
    def rows_of(contract: Any, paths: Any, **options: Any) -> Any:
        counted["files read by statements"] += len(paths)
        return original(contract, paths, **options)

    return rows_of


def _counting_writes(original: Callable[..., Any], counted: Counter[str]) -> Callable[..., Any]:
    def commit(*arguments: Any, **options: Any) -> Any:
        committed = original(*arguments, **options)
        counted["files written"] += len(committed)
        counted["rows written"] += sum(partition.row_count for partition in committed)
        counted["bytes written"] += sum(
            partition.byte_count for partition in committed if partition.key.table not in VOLATILE
        )
        return committed

    return commit


def run(deployment: Deployment) -> Counter[str]:
    """Run `session-pipeline run`, and return the counts of its work."""
    with counting(deployment.folder.path) as counted:
        result = CliRunner().invoke(app, ["run", "--data", str(deployment.folder.path)])
    assert result.exit_code == 0, result.output
    return counted


def deliver(deployment: Deployment, days: list[date], visitors: int = 5) -> None:
    for day in days:
        deployment.deliver(str(day), shop_lines(day, visitors))


@dataclass(frozen=True)
class Runs:
    """The work of three runs of a deployment: ten days at once, one more day, and nothing to do."""

    stretch: Counter[str]
    small_day: Counter[str]
    nothing: Counter[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    deployment = Deployment(tmp_path_factory.mktemp("runs") / "data", SMALL)
    deliver(deployment, DAYS[:10])
    stretch = run(deployment)
    deliver(deployment, DAYS[10:11])
    return Runs(stretch, run(deployment), run(deployment))


def assert_not_more(case: str, counted: Counter[str]) -> None:
    most = MOST[case]
    more = {what: f"{counted[what]:,} instead of {most[what]:,}" for what in most if counted[what] > most[what]}
    assert not more, f"{more}\nwork of {case} now:\n{ {what: counted[what] for what in most} }"


@pytest.mark.long
@pytest.mark.parametrize("case", ["stretch", "small_day"])
def test_run_does_not_do_more_work(case: str, runs: Runs) -> None:
    assert_not_more(case, getattr(runs, case))


@pytest.mark.long
def test_nothing_to_do_writes_nothing(runs: Runs) -> None:
    again = runs.nothing
    assert again["Dagster transactions"] == again["catalog transactions"] == again["files written"] == 0
    assert again["statements of the engine"] == 0


@pytest.mark.long
def test_big_day_does_not_do_more_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a day is built straight from the model."""
    monkeypatch.setattr(stretches, "BIG_DAY_EVENTS", 100)
    deployment = Deployment(tmp_path / "data", SMALL)
    deliver(deployment, DAYS[:1], visitors=50)
    assert_not_more("big_day", run(deployment))


@pytest.mark.long
def test_longer_history_does_not_read_more_numbers_of_the_catalog(runs: Runs, tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SMALL)
    deliver(deployment, DAYS[:2])
    assert run(deployment)["numbers of the catalog"] == runs.stretch["numbers of the catalog"] > 0
