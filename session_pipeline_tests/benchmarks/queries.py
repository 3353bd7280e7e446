"""Measures ten queries of analysts over many sessions, in the layouts that the project publishes, and with ClickHouse.

The sessions of a built data folder are repeated over a year of days. `python -m
session_pipeline_tests.benchmarks.queries read FOLDER LAYOUT` runs the queries in one layout.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from statistics import quantiles
from time import perf_counter

import duckdb

from session_pipeline.engines.sql import literal, rows_of
from session_pipeline.tables import Table, table
from session_pipeline_tests.documents import ROOT

DAYS, FIRST_DAY = 365, date(2025, 1, 1)
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
COPIES_OF_A_VISITOR = 10  # so that visitors come again on other days
ROUNDS, MOST_SECONDS = 7, 60.0
TABLES = ("sessions", "session_outcomes")
NATIVE, VIEWS, LAKE, CHDB = "native tables", "views over Parquet", "lake", "chdb over the lake"
LAYOUTS = (NATIVE, VIEWS, LAKE, CHDB)

# SQL that DuckDB and ClickHouse evaluate alike.
QUERIES = {
    "sessions, events and bounces of each day": """
        select session_date, count(*), sum(event_count), avg(case when is_bounce then 1 else 0 end)
        from sessions where not is_bot group by session_date order by session_date""",
    "outcomes of the last four weeks": f"""
        select outcome, count(*) as sessions, sum(value) from session_outcomes
        where session_date > date '{LAST_DAY - timedelta(days=28)}' and not is_bot
        group by outcome order by sessions desc, outcome""",
    "conversion by channel, last four weeks": f"""
        select s.channel, count(*) as sessions, sum(case when o.is_converted then 1 else 0 end) as converted
        from sessions as s inner join session_outcomes as o on s.session_id = o.session_id
        where s.session_date > date '{LAST_DAY - timedelta(days=28)}'
            and o.session_date > date '{LAST_DAY - timedelta(days=28)}' and not s.is_bot
        group by s.channel order by sessions desc, s.channel""",
    "visitors of each month": """
        select date_trunc('month', session_date) as month, count(distinct visitor_id)
        from sessions where not is_bot group by month order by month""",
    "landing pages with the most bounces": """
        select landing_page, count(*) as sessions, sum(case when is_bounce then 1 else 0 end) as bounces
        from sessions group by landing_page order by bounces desc, landing_page limit 20""",
    "median duration by device and month": """
        select device, date_trunc('month', session_date) as month, median(duration_seconds)
        from sessions where not is_bounce group by device, month order by month, device""",
    "one day by hour": f"""
        select extract(hour from started_at) as hour_of_day, count(*) from sessions
        where session_date = date '{LAST_DAY}' group by hour_of_day order by hour_of_day""",
    "new and returning visitors of the last week": f"""
        select first_date > date '{LAST_DAY - timedelta(days=7)}' as is_new, count(*) from (
            select visitor_id, min(session_date) as first_date, max(session_date) as last_date
            from sessions group by visitor_id) as visitors
        where last_date > date '{LAST_DAY - timedelta(days=7)}' group by is_new order by is_new""",
    "all sessions of one visitor": """
        select started_at, landing_page, exit_page, event_count from sessions
        where visitor_id = 'v7-0' order by started_at""",
    "retention by month of the first visit": """
        select f.first_month, date_trunc('month', s.session_date) as month, count(distinct s.visitor_id)
        from sessions as s inner join (
            select visitor_id, date_trunc('month', min(session_date)) as first_month from sessions group by visitor_id
        ) as f on s.visitor_id = f.visitor_id
        group by f.first_month, month order by f.first_month, month""",
}


def write_layouts(built: Path, folder: Path, sessions: int) -> None:
    """Write a year of sessions: the lake, a warehouse with tables, and one with views."""
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        for name in TABLES:
            connection.execute(
                f"create table {name} as select row_number() over (order by session_id) - 1 as number, *"
                f" from read_parquet('{built}/lake/{name}/*/data.parquet', hive_partitioning = false)"
            )
        for number in range(DAYS):
            first, last = (sessions * each // DAYS for each in (number, number + 1))
            for name in TABLES:
                _write_day(connection, table(name), FIRST_DAY + timedelta(days=number), first, last, folder)
    for layout in (NATIVE, VIEWS):
        with duckdb.connect(_database(folder, layout)) as connection:
            connection.execute("set enable_progress_bar = false")
            for name in TABLES:
                paths = sorted((folder / "lake" / name).glob("*/data.parquet"))
                kind = "table" if layout == NATIVE else "view"
                connection.execute(f"create {kind} {name} as {rows_of(table(name), paths, with_date=True)}")


def _write_day(
    connection: duckdb.DuckDBPyConnection, contract: Table, day: date, first: int, last: int, folder: Path
) -> None:
    changed = {"session_id": "md5(session_id || copy)"}
    if contract.name == "sessions":
        changed["visitor_id"] = f"visitor_id || '-' || copy // {COPIES_OF_A_VISITOR}"
        for column in ("started_at", "ended_at"):
            changed[column] = f"{literal(day)} + ({column} - date_trunc('day', started_at))"
    columns = ", ".join(f"{changed.get(column.name, column.name)} as {column.name}" for column in contract.columns)
    path = folder / "lake" / contract.name / f"session_date={day}"
    path.mkdir(parents=True)
    connection.execute(
        f"copy (select {columns} from (select i // (select count(*) from {contract.name}) as copy,"
        f" i % (select count(*) from {contract.name}) as position from range({first}, {last}) as numbers(i))"
        f" inner join {contract.name} on number = position order by {', '.join(contract.order)})"
        f" to '{path}/data.parquet' (format parquet, compression zstd)"
    )


def run(built: Path, sessions: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Measure all layouts; returns the median and the 95th percentile in milliseconds, by query and layout."""
    folder = built / "layouts"
    write = [sys.executable, "-m", __name__, "write", str(built), str(folder), str(sessions)]
    subprocess.run(write, cwd=ROOT, check=True)
    found: dict[str, dict[str, tuple[float, float]]] = {query: {} for query in QUERIES}
    rows: dict[str, dict[str, int]] = {query: {} for query in QUERIES}
    for layout in LAYOUTS:
        command = [sys.executable, "-m", __name__, "read", str(folder), layout]
        ran = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        if ran.returncode:
            print(f"  {layout}: skipped: {ran.stderr.strip().splitlines()[-1][:200]}", file=sys.stderr)
            continue
        for query, (count, *milliseconds) in json.loads(ran.stdout.splitlines()[-1]).items():
            cuts = quantiles(milliseconds, n=20, method="inclusive") if len(milliseconds) > 1 else milliseconds * 19
            found[query][layout] = (cuts[9], cuts[18])
            rows[query][layout] = count
        print(f"  {layout}: {sum(each[layout][0] for each in found.values()):.0f} ms", file=sys.stderr, flush=True)
    differing = [query for query, counts in rows.items() if len(set(counts.values())) > 1]
    assert not differing, f"layouts give different numbers of rows: {differing}"
    return found


def read(folder: Path, layout: str) -> dict[str, list[float]]:
    """Run the queries in one layout; returns the number of rows of each, and the milliseconds of each round."""
    ask = _in_chdb(folder) if layout == CHDB else _in_duckdb(folder, layout)
    found: dict[str, list[float]] = {}
    started = perf_counter()
    for number in range(ROUNDS):
        if number > 1 and perf_counter() - started > MOST_SECONDS:
            break
        for query, sql in QUERIES.items():
            before = perf_counter()
            count = ask(sql)
            found.setdefault(query, [count]).append((perf_counter() - before) * 1000)
    return found


def _in_duckdb(folder: Path, layout: str) -> Callable[[str], int]:
    if layout == LAKE:
        connection = duckdb.connect()
        for name in TABLES:
            # As an analyst without this package reads it.
            connection.execute(
                f"create view {name} as"
                f" select * from read_parquet('{folder}/lake/{name}/*/*.parquet', hive_partitioning = true)"
            )
    else:
        connection = duckdb.connect(_database(folder, layout), read_only=True)
    connection.execute("set enable_progress_bar = false")
    return lambda sql: len(connection.execute(sql).fetchall())


def _in_chdb(folder: Path) -> Callable[[str], int]:
    from chdb import session

    connection = session.Session()
    connection.query("create database lake engine = Memory")
    for name in TABLES:
        connection.query(
            f"create view lake.{name} as select * from file('{folder}/lake/{name}/*/data.parquet', 'Parquet')"
        )
    connection.query("use lake")
    return lambda sql: len(str(connection.query(sql, "CSV")).splitlines())


def _database(folder: Path, layout: str) -> Path:
    return folder / f"{layout.split()[0]}.duckdb"


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write_layouts(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        print(json.dumps(read(Path(sys.argv[2]), sys.argv[3])))
