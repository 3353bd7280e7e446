"""Tests the local engine: what stays between jobs and after publishing, and the number of threads."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from session_pipeline.engines.constant_columns import FEWEST_ROWS, constant_columns
from session_pipeline.engines.duckdb import MOST_EVENTS_OF_ONE_THREAD, DuckDBEngine, Limits
from session_pipeline.engines.duckdb_jobs import MANY_FILES, MOST_ROWS_IN_LISTS, DuckDBJobs, Job
from session_pipeline.engines.parquet_files import ROW_GROUP_ROWS, STATISTICS
from session_pipeline.engines.sql import filled_model
from session_pipeline.errors import ModelError
from session_pipeline.publish import warehouse_file
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.tables import models, table
from session_pipeline.tables.graph import Copied

ONE = SmallTable({"number": "BIGINT"}, [{"number": 1}])
TWO = SmallTable({"number": "BIGINT"}, [{"number": 2}])
RETENTION = table("retention")
NULLS = ", ".join(f"null as {column.name}" for column in RETENTION.columns)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDBEngine]:
    made = DuckDBEngine(Limits(threads=2), tmp_path)
    yield made
    made.close()


def threads(engine: DuckDBEngine) -> int:
    [(count,)] = engine.connection.execute("select current_setting('threads')").fetchall()
    return int(count)


def rows(engine: DuckDBEngine, name: str) -> Sequence[object]:
    return engine.connection.execute(f"select * from {name}").fetchall()


def test_few_events_use_one_thread_and_many_use_all(engine: DuckDBEngine) -> None:
    found = []
    for events in (0, MOST_EVENTS_OF_ONE_THREAD, MOST_EVENTS_OF_ONE_THREAD + 1, 5):
        engine.expect(events)
        found.append(threads(engine))
    assert found == [1, 1, 2, 1]


def test_equal_rows_of_the_next_job_are_not_made_again(engine: DuckDBEngine) -> None:
    with engine.job() as job:
        job.add_rows("given", ONE)
    engine.connection.execute("insert into given values (10)")  # shows that the table stays
    with engine.job() as job:
        job.add_rows("given", SmallTable(dict(ONE.types), [dict(row) for row in ONE.rows]))
    assert rows(engine, "given") == [(1,), (10,)]


@pytest.mark.parametrize("others", [TWO, SmallTable({"number": "BIGINT", "more": "BIGINT"}, [])])
def test_other_rows_replace_those_of_the_job_before(others: SmallTable, engine: DuckDBEngine) -> None:
    for given in (ONE, others, ONE):
        with engine.job() as job:
            job.add_rows("given", given)
            assert rows(engine, "given") == [tuple(row.values()) for row in given.rows]


@pytest.mark.parametrize("times", [0, 1, MOST_ROWS_IN_LISTS + 1], ids=["no rows", "lists", "Arrow"])
def test_small_table_has_the_types_and_values_that_were_given(times: int, engine: DuckDBEngine) -> None:
    types = {"a text": "VARCHAR", "is": "BOOLEAN", "n": "BIGINT", "x": "DOUBLE", "day": "DATE", "at": "TIMESTAMP"}
    at = datetime(2026, 10, 25, 2, 30, 0, 1)
    values = [('it\'s "$1"', True, 2**62, 0.1, date(2026, 10, 25), at), ("", False, -1, -0.0, date(1, 1, 1), None)]
    given = [*values, (None,) * len(types)] * times
    with engine.job() as job:
        job.add_rows("given", SmallTable(types, [dict(zip(types, row, strict=True)) for row in given]))
    assert rows(engine, "given") == given
    described = engine.connection.execute("describe given").fetchall()
    assert {name: kind for name, kind, *_ in described} == types


@pytest.mark.parametrize(("count", "kind"), [(MANY_FILES - 1, "view"), (MANY_FILES, "table")])
def test_many_small_files_that_are_read_often_become_a_table(
    count: int, kind: str, engine: DuckDBEngine, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{number}.parquet" for number in range(count)]
    for number, path in enumerate(paths):
        engine.connection.execute(f"copy (select 's' as site, {number} as period) to '{path}' (format parquet)")
    for _ in range(2):
        with engine.job() as job:
            job.add_input(RETENTION, paths, name="given", is_read_often=True)
            assert len(rows(engine, "given")) == count
            kinds = engine.connection.execute(
                "select 'view' from duckdb_views() where view_name = 'given'"
                " union all select 'table' from duckdb_tables() where table_name = 'given'"
            )
            assert kinds.fetchall() == [(kind,)]
        with engine.job() as job:
            job.add_rows("given", ONE)
            assert rows(engine, "given") == [(1,)]


def test_many_small_files_behind_a_select_become_a_table_that_ends_with_its_job(
    engine: DuckDBEngine, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{number}.parquet" for number in range(MANY_FILES)]
    for number, path in enumerate(paths):
        engine.connection.execute(f"copy (select 's' as site, {number} as period) to '{path}' (format parquet)")
    select = "select g.*, p.place from stored_given as g left join places as p on g.period = p.period"
    places = SmallTable({"period": "VARCHAR", "place": "VARCHAR"}, [{"period": "1", "place": "a"}])
    for used in (paths[:2], paths, paths[:2], paths):
        with engine.job() as job:
            job.add_rows("places", places)
            job.add_input(RETENTION, used, name="given", select=select, is_read_often=True)
            found = engine.connection.execute("select period, place from given").fetchall()
            assert set(found) == {(str(number), "a" if number == 1 else None) for number in range(len(used))}
            assert len(found) == len(used)
            is_table = "select count(*) from duckdb_tables() where table_name = 'given'"
            assert engine.connection.execute(is_table).fetchall() == [(int(used == paths),)]
        with pytest.raises(duckdb.CatalogException):
            rows(engine, "given")
        with engine.job() as job:
            job.add_input(RETENTION, paths[:1], name="given")  # a view that stays for later jobs
            assert len(rows(engine, "given")) == 1


def test_a_name_can_be_a_table_and_later_a_view(engine: DuckDBEngine) -> None:
    with engine.job() as job:
        job.add_rows("given", ONE)
    with engine.job() as job:
        job.add_input(RETENTION, [], name="given")
        assert rows(engine, "given") == []
    with engine.job() as job:
        job.add_rows("given", TWO)
        assert rows(engine, "given") == [(2,)]
        job.add_relation("given", "select 3 as number")
        assert rows(engine, "given") == [(3,)]
    with engine.job() as job:
        job.add_rows("given", pa.table({"number": [4]}))
        assert rows(engine, "given") == [(4,)]
        job.add_input(RETENTION, [], name="given")
    with engine.job() as job:
        job.add_rows("given", TWO)
        assert rows(engine, "given") == [(2,)]


def test_relations_and_large_tables_end_with_their_job(engine: DuckDBEngine) -> None:
    with engine.job() as job:
        job.add_rows("given", ONE)
        job.add_relation("twice", "select 2 * number as number from given")
        job.add_rows("large", pa.table({"number": [4]}))
    assert rows(engine, "given") == [(1,)]
    for name in ("twice", "large"):
        with pytest.raises(duckdb.CatalogException):
            rows(engine, name)


def test_an_input_that_stays_reads_the_files_of_its_job(engine: DuckDBEngine, tmp_path: Path) -> None:
    for site in "ab":
        engine.connection.execute(f"copy (select '{site}' as site) to '{tmp_path}/{site}.parquet'")
    found = []
    for sites in ("a", "a", "ab", "b"):
        with engine.job() as job:
            job.add_input(RETENTION, [tmp_path / f"{site}.parquet" for site in sites])
            found.append([site for (site,) in rows(engine, "(select site from retention order by site)")])
    assert found == [["a"], ["a"], ["a", "b"], ["b"]]


def test_a_failed_job_leaves_the_next_one_as_it_was(engine: DuckDBEngine) -> None:
    def fail() -> None:
        with engine.job() as job:
            job.add_rows("given", ONE)
            job.add_relation("given", "select no_such_column")

    with pytest.raises(duckdb.Error):
        fail()
    with engine.job() as job:
        job.add_rows("given", ONE)
        assert rows(engine, "given") == [(1,)]


def test_publishing_leaves_nothing_attached_after_an_error(engine: DuckDBEngine, tmp_path: Path) -> None:
    def fail() -> None:
        with warehouse_file._attached(engine.connection, tmp_path / "new.duckdb"):
            engine.connection.execute("begin")
            engine.connection.execute("create table given as select 1 as number")
            engine.connection.execute("select no_such_column from given")

    with pytest.raises(duckdb.BinderException):
        fail()
    assert "warehouse" not in [name for (name,) in rows(engine, "(select database_name from duckdb_databases())")]
    with engine.job() as job:  # the connection is as it was
        job.add_rows("given", ONE)
        assert rows(engine, "given") == [(1,)]
    with warehouse_file._attached(engine.connection, tmp_path / "new.duckdb"):
        assert rows(engine, "(select table_name from duckdb_tables() where database_name = 'warehouse')") == []


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2])
def test_large_day_has_the_same_bytes_alone_and_with_others(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of several row groups: where the day begins in the table of its stretch must not matter."""
    contract, days = table("goal_matches"), [date(2026, 1, 1), date(2026, 1, 2)]
    values = {"VARCHAR": "cast(hash(number) as varchar)", "BIGINT": "number", "TIMESTAMP": "make_timestamp(number)"}
    columns = ", ".join(
        f"cast({values.get(column.type, 'null')} as {column.type}) as {column.name}" for column in contract.columns
    )
    count = ROW_GROUP_ROWS + 20_000

    def rows_of(some: Sequence[date]) -> str:
        dates = ", ".join(f"date '{day}'" for day in some)
        return (
            f"select {columns}, {contract.date_column} from range({count}) as numbers (number)"
            f" cross join (select unnest([{dates}]) as {contract.date_column})"
        )

    found: list[bytes] = []
    for some in (days, days[1:]):
        monkeypatch.setattr(models, "text", lambda name, some=some: rows_of(some))
        made = DuckDBEngine(Limits(threads=threads), tmp_path / f"{len(some)}")
        paths = {day: tmp_path / f"{len(some)} {day}.parquet" for day in some}
        with made.job() as job:
            assert job.write_model("goal_matches", {}, paths)[days[1]] == count
        found.append(paths[days[1]].read_bytes())
        made.close()
    assert found[0] == found[1]


def add_raw_events(job: Job, filled: Mapping[str, str]) -> None:
    """Add raw_events with FEWEST_ROWS rows and these columns, in SQL over the number of the row."""
    columns = ", ".join(
        f"cast({filled.get(column.name, 'null')} as {column.type}) as {column.name}"
        for column in table("raw_events").columns
    )
    job.add_relation("raw_events", f"select {columns} from range({FEWEST_ROWS}) as numbers (number)")


def test_constant_columns_are_found(engine: DuckDBEngine) -> None:
    """A column with another value only in the last row is not constant, and neither is a number, such as -0.0."""
    is_last = f"number = {FEWEST_ROWS - 1}"
    filled = {
        "event_id": "number",
        "source": "'it''s'",
        "event_name": f"case when {is_last} then 'b' else 'a' end",
        "page_title": f"case when {is_last} then 'x' end",
        "page_host": f"case when not {is_last} then 'x' end",
        "user_id": "chr(0)",
        "sequence": "1",
    }
    columns = [column for column in table("raw_events").columns if column.name in {*filled, "referrer", "value"}]
    with engine.job() as job:
        add_raw_events(job, filled)
        found = constant_columns(engine.connection, "raw_events", columns)
        assert found == {"source": "'it''s'", "referrer": "null", "value": "null"}
        job.add_relation("short", "select * from raw_events limit 10")
        assert constant_columns(engine.connection, "short", columns) == {}


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2])
def test_constant_columns_of_the_input_do_not_change_the_file(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site is a constant in the order. The visitor of the input is one, too, but the model computes another one."""
    events, day = table("events"), date(2026, 1, 1)
    raw = {column.name for column in table("raw_events").columns}
    values = {column.name: column.name if column.name in raw else "null" for column in events.columns}
    values["visitor_id"] = f"hash({FEWEST_ROWS} - line_number)"
    columns = ", ".join(f"{value} as {name}" for name, value in values.items())
    monkeypatch.setattr(models, "text", lambda name: f"select {columns}, date '{day}' as event_date from raw_events")
    found = []
    for number, copied in enumerate((None, Copied("raw_events", computed=frozenset({"visitor_id"})))):
        made = DuckDBEngine(Limits(threads=threads), tmp_path / f"{number}")
        path = tmp_path / f"{number}.parquet"
        with made.job() as job:
            filled = {"visitor_id": "'x'", "line_number": "number", "source": "'it''s'", "site": "'main'"}
            add_raw_events(job, filled)
            job.write_model("events", {}, {day: path}, copied=copied)
        made.close()
        found.append(path.read_bytes())
    assert found[0] == found[1]


# Two jobs at the same time


def disabled_optimizers(engine: DuckDBEngine) -> str:
    [(names,)] = engine.connection.execute("select current_setting('disabled_optimizers')").fetchall()
    return str(names)


def second_of(engine: DuckDBEngine) -> DuckDBJobs:
    second = engine.second_jobs()
    assert second is not None
    return second


def test_engine_with_one_thread_runs_one_job_at_a_time(tmp_path: Path) -> None:
    with closing(DuckDBEngine(Limits(threads=1), tmp_path)) as made:
        assert made.second_jobs() is None


def test_second_connection_has_the_macros_and_the_time_zone_but_its_own_tables(engine: DuckDBEngine) -> None:
    second = second_of(engine)
    with engine.job() as job, second.job() as other:
        job.add_rows("given", ONE)
        other.add_rows("given", TWO)
        assert [rows(engine, "given"), other.rows("from given").to_pylist()] == [[(1,)], [{"number": 2}]]
        found = "select current_setting('TimeZone') as zone, wilson_low(0.5, 10, 1.96) as low"
        assert other.rows(found) == job.rows(found)
        assert other.rows(found).column("zone").to_pylist() == ["UTC"]


def test_second_connection_is_opened_once(engine: DuckDBEngine) -> None:
    first = engine.second_jobs()
    engine.end_second_jobs()
    assert engine.second_jobs() is first


def test_optimizer_that_looks_at_statistics_is_off_while_there_are_two(engine: DuckDBEngine, tmp_path: Path) -> None:
    """A write of one connection must not turn it on again while the other one plans a query."""
    found = [disabled_optimizers(engine)]
    second = second_of(engine)
    found.append(disabled_optimizers(engine))
    with second.job() as job:
        job.write(RETENTION, f"select {NULLS}", tmp_path / "written.parquet")
    found.append(disabled_optimizers(engine))
    engine.end_second_jobs()
    found.append(disabled_optimizers(engine))
    with engine.job() as job:
        job.write(RETENTION, f"select {NULLS}", tmp_path / "again.parquet")
    found.append(disabled_optimizers(engine))
    assert found == ["", STATISTICS, STATISTICS, "", ""]
    assert (tmp_path / "written.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()


@pytest.mark.parametrize("writes_first", [True, False], ids=["first to second", "second to first"])
def test_rows_that_one_connection_keeps_are_read_by_the_other(
    writes_first: bool, engine: DuckDBEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = {date(2026, 1, day): tmp_path / f"{day}.parquet" for day in (1, 2)}
    contract = table("recent_event_ids")
    columns = ", ".join(f"cast(null as {column.type}) as {column.name}" for column in contract.columns)
    monkeypatch.setattr(models, "text", lambda name: f"select {columns}, unnest([date '2026-01-01']) as event_date")
    writer, reader = (engine, second_of(engine)) if writes_first else (second_of(engine), engine)
    with writer.job() as job:
        job.write_model(contract.name, {}, days, keep=True)
    with reader.job() as job:
        job.add_input(contract, [], kept_days=list(days))
        assert len(job.rows(f"select * from {contract.name}")) == 1


def test_parameter_that_does_not_exist_is_named_with_its_model() -> None:
    with pytest.raises(ModelError, match=r"^model action_steps: there is no parameter \$max_steps; correct it, or add"):
        filled_model("action_steps", {"min_session_count": 1})
