"""Runs those tests of a model that are fast enough to run on each of its mutants, in this process.

They are the case folders of all tables that the model contributes to, the test module of the model if it has one, one
group of generated cases (each step against the oracles, on correct inputs), and the lint of portable SQL.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import date
from io import StringIO
from pathlib import Path
from threading import Timer
from typing import Any
from unittest.mock import patch

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest
import sqlglot

from session_pipeline.build.runner import Rows, StepRunner
from session_pipeline.engines.duckdb import DuckDBEngine, Limits
from session_pipeline.run.pipeline import open_run
from session_pipeline.store.records import Partition
from session_pipeline.tables import models, table
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEPS
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.mutation.forked_tests import OPTIONS
from session_pipeline_tests.mutation.replaced_models import replaced_model
from session_pipeline_tests.oracles import generated_cases
from session_pipeline_tests.oracles.expected_tables import Row, expected_tables
from session_pipeline_tests.portable import find_violations
from session_pipeline_tests.test_cases import FOLDERS, Case, compare, read_case, run_case, write_inputs
from session_pipeline_tests.test_sessions_against_oracle import build_at_once, file_ids

# Test modules about one model.
MODULES: Mapping[str, str] = {"session_channels": "test_channels.py"}
CANNOT_RUN = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)
# Of the Python code of a step that gets wrong rows from a model.
FAILS_IN_PYTHON = (ArithmeticError, LookupError, TypeError, ValueError)


class InvalidMutantError(Exception):
    """The SQL cannot run, so no test has to detect it."""


@dataclass(frozen=True)
class PreparedCase:
    """A case folder with its inputs written and its expected rows read."""

    case: Case
    inputs: Mapping[str, list[Path]]
    expected: pa.Table
    models: frozenset[str]


@dataclass(frozen=True)
class StepOfGroup:
    """A step on neighbouring days of a group of generated cases, with correct inputs and the rows the oracles expect.

    Attributes:
        step: The step.
        days: The days: each day alone, and all days at once.
        frame: The days and settings of the group.
        inputs: The rows of each input, by table.
        expected: The columns and rows of each table, by day.
    """

    step: Step
    days: Sequence[date]
    frame: Frame
    inputs: Mapping[str, Rows]
    expected: Mapping[str, Mapping[date, tuple[Sequence[str], Counter[tuple[Any, ...]]]]]


@dataclass
class ModelTests:
    """The tests, with their inputs in a folder.

    Attributes:
        folder: An empty folder to work in.
        seeds: Groups of generated cases to run.
        most_seconds: How long one test may take. A mutant that takes longer counts as killed.
    """

    folder: Path
    seeds: Sequence[int] = ()
    most_seconds: float = 20
    _cases: list[PreparedCase] = field(default_factory=list)
    _steps: dict[int, list[StepOfGroup]] = field(default_factory=dict)
    _failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._engine = self._new_engine()
        for number, folder in enumerate(FOLDERS):
            case = read_case(folder)
            place = self.folder / "cases" / str(number)
            place.mkdir(parents=True)
            self._cases.append(PreparedCase(case, write_inputs(case, place), case.expected, _models_of(case)))

    def close(self) -> None:
        self._engine.close()

    def failure(self, model: str, sql: str) -> str | None:
        """Return a test that fails with this SQL for the model, or None. Tests that failed often run first.

        Raises:
            InvalidMutantError: The SQL cannot run.
        """
        with replaced_model(model, sql):
            for test, run in sorted(self._tests(model, sql), key=lambda item: -self._failures[model, item[0]]):
                try:
                    with self._interrupted_after(self.most_seconds):
                        run()
                except CANNOT_RUN as error:
                    raise InvalidMutantError(str(error)) from error
                except (AssertionError, duckdb.Error, pa.ArrowException, *FAILS_IN_PYTHON) as error:
                    if isinstance(error, duckdb.FatalException | duckdb.InternalException):
                        self._engine = self._new_engine()
                    self._failures[model, test] += 1
                    return test
        return None

    @contextmanager
    def _interrupted_after(self, seconds: float) -> Iterator[None]:
        timer = Timer(seconds, self._engine.connection.interrupt)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _tests(self, model: str, sql: str) -> Iterator[tuple[str, Callable[[], None]]]:
        for prepared in self._cases:
            if model in prepared.models:
                yield f"case {prepared.case.table.name}/{prepared.case.folder.name}", lambda p=prepared: self._run(p)
        if model in MODULES:
            yield MODULES[model], lambda: _run_module(MODULES[model])
        for seed in self.seeds:
            for item in self._steps_of_group(seed):
                if model in item.step.models:
                    days = f"{item.days[0]} to {item.days[-1]}"
                    yield f"generated cases {seed}, {item.step.name}[{days}]", lambda i=item: self._compare(i)
        yield "portable", lambda: _lint(model, sql)

    def _run(self, prepared: PreparedCase) -> None:
        scratch = self.folder / "written"
        scratch.mkdir(exist_ok=True)
        found = run_case(prepared.case, self._engine, prepared.inputs, prepared.expected, scratch)
        compare(found, prepared.expected, prepared.case.folder.name)

    def _compare(self, item: StepOfGroup) -> None:
        scratch = self.folder / "written"
        scratch.mkdir(exist_ok=True)
        written = StepRunner(self._engine, item.frame, scratch).run(item.step, item.days, item.inputs)
        for name, of_days in item.expected.items():
            for day, (columns, expected) in of_days.items():
                assert _rows(written[name][day].path, columns, name, day) == expected, name

    def _steps_of_group(self, seed: int) -> list[StepOfGroup]:
        if seed not in self._steps:
            with patch.object(models, "text", _ORIGINAL_TEXT):  # the inputs come from the unchanged models
                self._steps[seed] = _steps_of_group(seed, self.folder / f"group-{seed}")
        return self._steps[seed]

    def _new_engine(self) -> DuckDBEngine:
        return DuckDBEngine(Limits(threads=1), self.folder)


_ORIGINAL_TEXT = models.text


def _models_of(case: Case) -> frozenset[str]:
    made_by = case.made_by
    return frozenset((case.table.name, *(made_by.models if isinstance(made_by, Step) else ())))


def _lint(model: str, sql: str) -> None:
    """Compare with the original as formatted by sqlglot, which renames some functions."""
    as_it_is = sqlglot.parse_one(_ORIGINAL_TEXT(model), read="duckdb").sql("duckdb", comments=False)
    known = {violation.construct for violation in find_violations(as_it_is)}
    assert {violation.construct for violation in find_violations(sql)} <= known


def _run_module(name: str) -> None:
    path = str(ROOT / "session_pipeline_tests" / name)
    with redirect_stdout(StringIO()):
        code = pytest.main([*OPTIONS, path])
    assert code == pytest.ExitCode.OK, name


def _steps_of_group(seed: int, folder: Path) -> list[StepOfGroup]:
    """Build a group of generated cases once, and return every step with its inputs and the rows the oracles expect."""
    group = generated_cases.group(seed)
    deployment = build_at_once(group, folder)
    expected = expected_tables(group, file_ids(group, deployment))
    items = []
    with open_run(deployment.folder, run_id="test", until=group.until) as run:
        for step in STEPS:
            known = [name for name in step.tables if name in expected]
            wanted = run.planner.frame.wanted
            for days in [*((day,) for day in wanted), wanted] if known else ():
                inputs = {
                    name: Rows([run.store.path_of(item) for item in found if isinstance(item, Partition)])
                    for name, found in run.planner.inputs.of(step, days).items()
                }
                of_days = {name: {day: _expected_of_day(expected[name], name, day) for day in days} for name in known}
                items.append(StepOfGroup(step, days, run.planner.frame, inputs, of_days))
    return items


def _expected_of_day(rows: Sequence[Row], name: str, day: date) -> tuple[Sequence[str], Counter[tuple[Any, ...]]]:
    date_column = table(name).date_column
    columns = list(rows[0]) if rows else []
    return columns, Counter(tuple(row.values()) for row in rows if row[date_column] == day)


def _rows(path: Path, columns: Sequence[str], name: str, day: date) -> Counter[tuple[Any, ...]]:
    date_column = table(name).date_column
    found = pa.parquet.ParquetFile(path).read()
    if date_column not in found.column_names:
        found = found.append_column(date_column, pa.array([day] * found.num_rows, pa.date32()))
    return (
        Counter(zip(*(found.column(column).to_pylist() for column in columns), strict=True)) if columns else Counter()
    )
