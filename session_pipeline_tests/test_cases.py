"""Runs every model on case folders. A folder holds the inputs and expected rows of a table; its name is the statement.

A folder cases/<table>/<statement>/ contains:

- a CSV for each input table that matters; other inputs are empty. Missing columns get the value of `with_defaults`,
  otherwise null. The step gets the rows of the dates that it reads. If the CSV lacks the table's date column, the rows
  belong to the day, or to the last date that the step reads; raw events belong to the date of their event_time;
- expected.csv: the table's rows in the table's order, with the columns that matter. An empty field is NULL, "" is the
  empty string. Fractions are compared to four decimals, as printed in the literature, but may not lie beyond an
  expected 0 or 1. All other values are compared exactly;
- settings.toml (optional), over the packaged defaults;
- day.toml (optional): `day`, and `first` and `until`, the first and the last day that is built; `days_at_once`, the
  number of days from `day` on that one query computes, usually 1. Then expected.csv has the rows of each day in turn.

The inputs of a log are those of its model: its subject table before (`<table>_before`) and after the change, the log
before the change, its other inputs, and new_files.csv. BUILD_FACTS holds the facts about the build that it is given.

Inputs are Parquet files in the contract's schema, and the steps are the real ones. Another engine therefore runs the
same folders once it is added to ENGINES.
"""

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
import pytest

from session_pipeline.build.runner import LoggedDay, Rows, StepRunner
from session_pipeline.engines.duckdb import DuckDBEngine, Limits
from session_pipeline.reference.days import Calendar, dates
from session_pipeline.settings import Settings, parse_settings
from session_pipeline.store.paths import folder_name
from session_pipeline.tables import Table, spans, table
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Input, Log, Step
from session_pipeline.tables.parameters import Scalar
from session_pipeline.tables.steps import LOGS, STEP_OF_TABLE

CASES = Path(__file__).parent / "cases"
FOLDERS = sorted(folder for folder in CASES.glob("*/*") if folder.is_dir())
ENGINES: Mapping[str, Callable[[Path], DuckDBEngine]] = {
    "duckdb": lambda scratch: DuckDBEngine(Limits(threads=1), scratch)  # as runs of few events
}

DAY = date(2026, 10, 5)
DAYS_BEFORE = timedelta(days=2)  # the earliest start of a session that reaches the day
DAYS_AFTER = timedelta(days=31)  # by then every funnel window of the day is closed

LOG_OF_TABLE: Mapping[str, Log] = {log.table: log for log in LOGS}
BUILD_FACTS: Mapping[str, Scalar] = {"changed_at": datetime(2026, 11, 1, 3), "run_id": "this run"}
REASON = "new late.jsonl"

# Values of columns that a CSV omits. event_number counts the rows of a session. event_id (e1, ...), content_hash
# (h1, ...) and line_number count the rows of the file.
EMPTY: Mapping[pa.DataType, Any] = {pa.bool_(): False, pa.int64(): 0}
DEFAULTS: Mapping[str, Any] = {
    "site": "main",
    "source": "web",
    "visitor_id": "v1",
    "event_name": "page_view",
    "session_id": "s1",
    "file_id": "f1",
    "is_complete": True,
    "funnel": "shop",
    "breakdown": "(all)",
    "sequence": None,
    "status_code": None,
}


@dataclass(frozen=True)
class Case:
    folder: Path
    frame: Frame
    day: date
    days_at_once: int = 1

    @property
    def days(self) -> tuple[date, ...]:
        """The days of the table that one query computes; none for a table without days."""
        last = self.day + timedelta(days=self.days_at_once - 1)
        return self.frame.only_wanted(dates(self.day, last)) if self.table.date_column else ()

    @property
    def table(self) -> Table:
        return table(self.folder.parent.name)

    @property
    def made_by(self) -> Step | Log:
        return LOG_OF_TABLE.get(self.table.name) or STEP_OF_TABLE[self.table.name]

    @property
    def inputs(self) -> dict[str, Input]:
        """The inputs of the model, by their name in its SQL."""
        made_by = self.made_by
        if isinstance(made_by, Step):
            return {what.table: what for what in made_by.inputs}
        of = {f"{made_by.table}_before": made_by.table, f"{made_by.of}_before": made_by.of, made_by.of: made_by.of}
        return {**{name: Input(table_name, spans.THE_DAY) for name, table_name in of.items()}, **made_by.inputs}

    @property
    def expected(self) -> pa.Table:
        return read_csv(self.folder / "expected.csv", self.table)


def read_case(folder: Path) -> Case:
    settings_file, day_file = folder / "settings.toml", folder / "day.toml"
    settings = settings_of(settings_file.read_text() if settings_file.exists() else "")
    days = tomllib.loads(day_file.read_text()) if day_file.exists() else {}
    assert days.keys() <= {"day", "first", "until", "days_at_once"}, f"{day_file} has unknown keys"
    day = days.get("day", DAY)
    until = days.get("until", day + DAYS_AFTER)
    calendar = Calendar(settings.timezone)
    wanted = tuple(filter(calendar.exists, dates(days.get("first", day - DAYS_BEFORE), until)))
    return Case(folder, Frame(settings, calendar, wanted, until), day, days.get("days_at_once", 1))


@cache
def settings_of(text: str) -> Settings:
    """Many cases have the same settings, and to check them takes as long as a short model."""
    return parse_settings(text)


def read_csv(path: Path, contract: Table) -> pa.Table:
    """Read a CSV with the contract's types. It may also contain the date column of the partition."""
    types = {field.name: field.type for field in contract.schema}
    types |= {contract.date_column: pa.date32()} if contract.date_column else {}
    rows = pa.csv.read_csv(
        path,
        convert_options=pa.csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    assert set(rows.column_names) <= types.keys(), f"{path} has columns that {contract.name} has not"
    return rows


def with_defaults(rows: pa.Table, contract: Table, day: date) -> pa.Table:
    """Add the omitted columns of the contract with default values. A date column is kept."""
    given = rows.to_pylist()
    rows_of_session: Counter[str] = Counter()
    for number, row in enumerate(given, start=1):
        session_id = row.get("session_id", DEFAULTS["session_id"])
        rows_of_session[session_id] += 1
        numbers = {
            "event_id": f"e{number}",
            "content_hash": f"h{number}",
            "line_number": number,
            "event_number": rows_of_session[session_id],
        }
        defaults = {"session_date": day, **numbers, **DEFAULTS}
        for field in contract.schema:
            row.setdefault(field.name, defaults.get(field.name, EMPTY.get(field.type)))
    schema = pa.unify_schemas([contract.schema, rows.schema])
    return pa.Table.from_pylist(given, schema=schema)


def write_input(case: Case, name: str, what: Input, folder: Path) -> list[Path]:
    """Write the files of one input and return their paths."""
    contract = table(what.table)
    path = case.folder / f"{name}.csv"
    if not path.exists():
        return []
    given = read_csv(path, contract)
    rows = with_defaults(given, contract, case.day)
    read = what.span.all_dates(case.frame, case.days) if case.days else what.span.dates(case.frame, None)
    if contract.date_column is None:
        parts = {None: rows}
    elif contract.date_column in given.column_names:
        parts = {day: rows.filter(pa.compute.field(contract.date_column) == day) for day in read}
    elif contract.name == "raw_events":
        on = pa.compute.cast(rows.column("event_time"), pa.date32())
        parts = {day: rows.filter(pa.compute.equal(on, day)) for day in read}
    else:
        parts = dict.fromkeys((case.day,) if case.day in read else read[-1:], rows)
    paths = []
    for day, part in parts.items():
        paths.append(folder / name / folder_name(contract, day) / "input.parquet")
        paths[-1].parent.mkdir(parents=True)
        pa.parquet.write_table(part.select(contract.schema.names), paths[-1])
    return paths


def write_inputs(case: Case, folder: Path) -> dict[str, list[Path]]:
    """Write the files of all inputs and return their paths, by the input's name in the SQL."""
    return {name: write_input(case, name, what, folder) for name, what in case.inputs.items()}


def new_files(case: Case) -> list[str]:
    path = case.folder / "new_files.csv"
    return path.read_text().split()[1:] if path.exists() else []


def run_case(
    case: Case, engine: DuckDBEngine, inputs: Mapping[str, list[Path]], expected: pa.Table, scratch: Path
) -> pa.Table:
    """Run a case and return its rows day by day, with the expected columns."""
    made_by, runner = case.made_by, StepRunner(engine, case.frame, scratch)
    if isinstance(made_by, Step):
        step = replace(made_by, tables=(case.table.name,))
        rows = {name: Rows(paths) for name, paths in inputs.items()}
        written = runner.run(step, case.days, rows)[case.table.name]
    else:
        named = {name: (what.table, inputs[name]) for name, what in case.inputs.items()}
        logged = [LoggedDay(day, REASON, new_files(case)) for day in case.days]
        written = runner.run_log(made_by, logged, named, BUILD_FACTS)
    parts = []
    for day, new in written.items():
        part = pa.parquet.ParquetFile(new.path).read()
        if day is not None and case.table.date_column not in part.column_names:
            part = part.append_column(case.table.date_column, pa.repeat(pa.scalar(day), part.num_rows))
        parts.append(part.select(expected.column_names).cast(expected.schema))
    return pa.concat_tables(parts)


def compare(found: pa.Table, expected: pa.Table, name: str) -> None:
    pd.testing.assert_frame_equal(
        found.to_pandas(types_mapper=pd.ArrowDtype),
        expected.to_pandas(types_mapper=pd.ArrowDtype),
        rtol=0,
        atol=0.00005,
        obj=name,
    )
    for field in expected.schema:
        if pa.types.is_floating(field.type):
            pairs = zip(found[field.name].to_pylist(), expected[field.name].to_pylist(), strict=True)
            beyond = [share for share, said in pairs if (said == 0 and share < 0) or (said == 1 and share > 1)]
            assert not beyond, f"{name}: {field.name} lies beyond 0 or 1"


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBEngine]:
    engine = ENGINES[request.param](tmp_path_factory.mktemp(request.param))
    yield engine
    engine.close()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_rows_equal_the_expected_csv(folder: Path, engine: DuckDBEngine, tmp_path: Path) -> None:
    case = read_case(folder)
    known = {"expected", "new_files", *case.inputs}
    assert {path.stem for path in folder.glob("*.csv")} <= known, f"{case.table.name} reads {sorted(known)}"
    expected = case.expected
    found = run_case(case, engine, write_inputs(case, tmp_path), expected, tmp_path)
    try:
        compare(found, expected, folder.name)
    except AssertionError:  # pytest shows what is printed
        print(f"found:\n{found.to_pandas().to_string()}\nexpected:\n{expected.to_pandas().to_string()}")
        raise


def test_every_table_has_cases() -> None:
    assert {folder.parent.name for folder in FOLDERS} == STEP_OF_TABLE.keys() | LOG_OF_TABLE.keys()
