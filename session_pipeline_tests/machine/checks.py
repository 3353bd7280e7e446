"""Checks a deployment after each operation of the machine, and at the end of a program.

The checks read Parquet files and the warehouse directly, so that they also find errors in how the store locates files.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from session_pipeline.publish import warehouse
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.store.records import Partition
from session_pipeline.store.store import Store
from session_pipeline.tables import Table
from session_pipeline.tables.steps import STEPS
from session_pipeline_tests.built_tables import TABLES
from session_pipeline_tests.deployment import Deployment, looking
from session_pipeline_tests.machine.expected_state import Mirror
from session_pipeline_tests.machine.options import DAYS
from session_pipeline_tests.oracles.sessions import Line

Rows = Counter[tuple[Any, ...]]
LEDGER = {"source_files", "raw_events", "quarantined_lines", "events", "duplicate_events"}
PUBLISHED = [name for name, contract in TABLES.items() if contract.is_published and name != "warehouse_info"]


def store_is_whole(deployment: Deployment, mirror: Mirror, damaged: set[Path]) -> None:
    """At any time, also after a crash: every file in the catalog exists, and tables of one step are built together."""
    with closing(open_store(deployment.folder)) as store:
        for partition, problem in store.verify():
            assert problem is None or store.path_of(partition) in damaged, f"{partition.key} of the store: {problem}"
        for step in STEPS:
            for day in (*DAYS, None):
                built = [
                    found for key, found in store.partitions.items() if key.table in step.tables and key.date == day
                ]
                assert len({partition.generation for partition in built}) <= 1, f"{step.name}[{day}] is half built"
                assert len(built) in (0, len(step.tables)), f"{step.name}[{day}] lacks tables"
        ledger = {file_id: item.facts for file_id, item in store.catalog.source_files().items()}
        rows: Counter[str] = Counter()
        for key, partition in store.partitions.items():
            rows[key.file_id] += partition.row_count if key.table == "raw_events" else 0
        known = {content.file_id for content in (*mirror.read, *mirror.contents)}
        for file_id in rows.keys() - {""}:
            assert file_id in ledger, f"the store has rows of file {file_id}, which the ledger does not know"
        for file_id, facts in ledger.items():
            if facts["status"] == "accepted":
                assert file_id in known, f"{facts['path']} was accepted as {file_id}, and no such content was delivered"
                assert rows[file_id] == facts["accepted_count"], f"{facts['path']}: rows of it are missing"
                assert facts["delivery_count"] > 0, f"{file_id} was accepted, and nobody delivered it"


def ledger_closes(deployment: Deployment, mirror: Mirror, until: date) -> None:
    """After a run: the line counts add up.

    For each file, lines = accepted + quarantined. Over all days, accepted = events + duplicates + pending.
    """
    files = {row["file_id"]: row for row in deployment.records("source_files")}
    accepted_files = {file_id for file_id, row in files.items() if row["status"] == "accepted"}
    assert accepted_files == {content.file_id for content in mirror.read}, "the ledger has other files than were read"
    not_read = {row["path"] for row in files.values() if row["status"] != "accepted"}
    assert mirror.unreadable <= not_read, f"{mirror.unreadable - not_read} cannot be read, and the ledger is silent"
    with closing(open_store(deployment.folder)) as store:
        for content in mirror.read:
            names = set(store.catalog.paths_of(content.file_id))
            certain = mirror.named.get(content, set())
            assert certain <= names <= certain | mirror.maybe_named.get(content, set()), f"names of {content}: {names}"
        raw, set_aside = (_store_rows(store, name) for name in ("raw_events", "quarantined_lines"))
        found = sum((_store_rows(store, name) for name in ("events", "duplicate_events")), Counter())
    accepted = mirror.accepted_lines()
    for content, options in mirror.read.items():
        lines = len(content.events)
        kept = len(content.accepted_lines(options))
        row = files[content.file_id]
        counted = row["line_count"], row["accepted_count"], row["set_aside_count"]
        assert counted == (lines, kept, lines - kept), f"{row['path']}: the ledger says {counted} of {content}"
    assert _files_of("raw_events", raw) == Counter(line.file_id for line in accepted), "accepted lines in the store"
    aside = {
        content.file_id: len(content.events) - len(content.accepted_lines(o)) for content, o in mirror.read.items()
    }
    assert _files_of("quarantined_lines", set_aside) == +Counter(aside), "quarantined lines in the store"
    wanted = Counter((line.file_id, line.line_number) for line in mirror.lines_of_days(until))
    seen = _places("events", deployment) + _places("duplicate_events", deployment)
    assert seen == wanted, f"lines of the days built: missing {wanted - seen}, too much {seen - wanted}"
    assert found.total() == len(accepted) - _waiting(accepted, mirror, until), "events and duplicates are not all lines"


def tables_with(deployment: Deployment, damaged: set[Path]) -> set[str]:
    """Return the tables that contain one of the damaged files: their damage was not detected yet."""
    with closing(open_store(deployment.folder)) as store:
        return {part.key.table for part in store.partitions.values() if store.path_of(part) in damaged}


def tables_equal_the_oracle(deployment: Deployment, mirror: Mirror, until: date, spoiled: set[str]) -> None:
    """After a run: the tables that the oracles compute have the expected rows, except the spoiled tables."""
    for name, rows in mirror.expected(until).items():
        if name in spoiled:
            continue
        table = deployment.table(name)
        columns = list(rows[0]) if rows else []
        wanted = Counter(tuple(row.values()) for row in rows)
        found = Counter(table[columns].itertuples(index=False, name=None)) if rows else Counter(range(len(table)))
        assert_equal(name, found, wanted, "the store", "the oracle")


def readers_see_the_store(deployment: Deployment, spoiled: set[str]) -> None:
    """After a run: the warehouse and the lake have the rows of the store, except the spoiled tables."""
    with closing(open_store(deployment.folder)) as store:
        shown = warehouse_rows(deployment.folder.warehouse, deployment.folder.store, set(PUBLISHED) - spoiled)
        for name in set(PUBLISHED) - spoiled:
            rows = _store_rows(store, name)
            assert_equal(name, shown[name], rows, "the warehouse", "the store")
            lake = list((deployment.folder.lake / name).rglob("*.parquet"))
            assert_equal(name, _rows_of_files(TABLES[name], lake), rows, "the lake", "the store")


def nothing_is_left_over(deployment: Deployment) -> None:
    """After a run: no unreferenced files and no temporary files exist."""
    folder = deployment.folder
    with closing(open_store(folder)) as store:
        named = {folder.store / path for path in store.catalog.named_paths()}
    orphans = set(folder.store.glob("*/*/*.parquet")) - named
    assert not orphans, f"files that nobody names: {sorted(map(str, orphans))}"
    scratch = folder.store / "scratch"
    assert not [path for path in scratch.rglob("*") if path.is_file()], "the scratch folder is not empty"
    hidden = [path for path in (*folder.lake.rglob(".*"), *folder.path.glob(".warehouse*")) if path.is_file()]
    assert not hidden, f"temporary files: {hidden}"


def equals_a_clean_run(deployment: Deployment, mirror: Mirror, until: date, folder: Path) -> None:
    """Every partition has the same bytes as in a clean run over all content ever accepted."""
    clean = clean_run(mirror, until, folder)
    wanted, found = clean.hashes(), deployment.hashes()
    different = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
    assert not different, f"other than a clean run: {different}"
    facts = ["file_id", "status", "site", "mapping", "line_count", "accepted_count", "set_aside_count", "byte_count"]
    said = [_accepted(one)[facts].to_dict("records") for one in (deployment, clean)]
    assert said[0] == said[1], "source_files is other than that of a clean run"


def clean_run(mirror: Mirror, until: date, folder: Path) -> Deployment:
    """Return a new deployment, run over all content ever accepted. Each file is named by its file_id."""
    clean = Deployment(folder)
    *early, (options, contents) = mirror.phases()
    for before, gone in early:
        clean.set(before.settings)
        _lay(clean, gone)
        with open_run(clean.folder, run_id="clean", until=until) as run:
            run.ingest()
        shutil.rmtree(clean.folder.raw)
    clean.set(options.settings)
    _lay(clean, contents)
    clean.run(until)
    return clean


def warehouse_rows(path: Path, store_folder: Path, names: Iterable[str] = tuple(PUBLISHED)) -> Mapping[str, Rows]:
    """Return all rows of the tables as readers see them; an empty mapping if there is no warehouse."""
    if not path.is_file():
        return {}
    with closing(warehouse.connect(path, store_folder)) as connection:
        return {
            name: Counter(connection.execute(f"select {_columns(TABLES[name])} from {name}").fetchall())
            for name in names
        }


def assert_equal(name: str, found: Rows, wanted: Rows, here: str, there: str) -> None:
    """Fail and show rows that differ."""
    if found != wanted:
        only_here, only_there = list((found - wanted).items())[:3], list((wanted - found).items())[:3]
        raise AssertionError(f"{name}: only {here} has {only_here}, only {there} has {only_there}")


def store_rows(deployment: Deployment, spoiled: set[str]) -> Mapping[str, Rows]:
    """Return all rows of the published tables in the store, except the spoiled tables."""
    with closing(open_store(deployment.folder)) as store:
        return {name: _store_rows(store, name) for name in PUBLISHED if name not in spoiled}


def _store_rows(store: Store, name: str) -> Rows:
    found: list[Partition] = store.of_table(name)
    return _rows_of_files(TABLES[name], [store.path_of(partition) for partition in found])


def _rows_of_files(contract: Table, paths: list[Path]) -> Rows:
    if not paths:
        return Counter()
    types = f", hive_types = {{'{contract.date_column}': date}}" if contract.date_column else ""
    hive = f"hive_partitioning = {'true' if contract.date_column else 'false'}{types}"
    with looking() as connection:
        select = f"select {_columns(contract)} from read_parquet($1, {hive})"
        return Counter(connection.execute(select, [list(map(str, paths))]).fetchall())


def _columns(contract: Table) -> str:
    dates = [contract.date_column] if contract.date_column else []
    return ", ".join(f'"{name}"' for name in [*dates, *(column.name for column in contract.columns)])


def _files_of(name: str, rows: Rows) -> Rows:
    contract = TABLES[name]
    names = [contract.date_column] if contract.date_column else []
    place = [*names, *(column.name for column in contract.columns)].index("file_id")
    counted: Rows = Counter()
    for row, count in rows.items():
        counted[row[place]] += count
    return counted


def _places(name: str, deployment: Deployment) -> Rows:
    return Counter(deployment.table(name)[["file_id", "line_number"]].itertuples(index=False, name=None))


def _waiting(accepted: list[Line], mirror: Mirror, until: date) -> int:
    return len(accepted) - len(mirror.lines_of_days(until))


def _lay(clean: Deployment, contents: Iterable[Any]) -> None:
    for content in contents:
        path = clean.folder.raw / content.file_name(content.file_id, is_compressed=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.data)


def _accepted(deployment: Deployment) -> Any:
    files = deployment.table("source_files")
    return files[files["status"] == "accepted"].sort_values("file_id")
