"""The hand-written script: DuckDB and script.sql."""

from pathlib import Path

from session_pipeline_tests.benchmarks.peers.given import (
    COLUMNS,
    SHOP,
    TABLES,
    is_nested,
    is_shop,
)


def run_script(raw: Path, out: Path) -> int:
    """DuckDB: script.sql into a database file, and each table as Parquet."""
    import duckdb

    with duckdb.connect(out / "warehouse.duckdb") as connection:
        connection.execute("set enable_progress_bar = false")
        connection.execute("set timezone = 'UTC'")
        if is_shop(raw):
            shop = ", ".join(f"{old} as {new}" for old, new in SHOP.items())
            select = f"select {shop}, null as page_url, null as referrer, null as user_agent from '{raw}/*.csv.gz'"
            # The view numbers the rows, because they have no ids.
            select = f"select row_number() over () as event_id, * from ({select})"
        else:
            types = ", ".join(f"{name}: '{'timestamptz' if name == 'event_time' else 'varchar'}'" for name in COLUMNS)
            nested = ", value: 'double', properties: 'json'" if is_nested(raw) else ""
            select = f"from read_json('{raw}/*.jsonl', format = 'newline_delimited', columns = {{{types}{nested}}})"
        connection.execute(f"create temp view delivered as {select}")
        connection.execute((Path(__file__).with_name("script.sql")).read_text())
        for name in TABLES:
            connection.execute(f"copy {name} to '{out}/{name}.parquet' (format parquet, compression zstd)")
        return int(connection.execute("select count(*) from sessions").fetchall()[0][0])
