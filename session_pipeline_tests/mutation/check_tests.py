"""Runs the tests of a check on each mutant of its SQL, in this process.

A query that adds up a day's tables is asked about the correct store and about each wrong table of test_check_sums.py.
These stores are built once, so a mutant takes a fraction of a second. The other queries have test modules.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from datetime import date
from io import StringIO
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import duckdb
import pytest

from session_pipeline import checks
from session_pipeline.checks import Verdict, changes, deliveries, doubled, tables, unusual, verdict, visitors
from session_pipeline.engines.sql import query_text
from session_pipeline.run.pipeline import open_run
from session_pipeline.run.run import Run
from session_pipeline_tests.checked_stores import WEEKS, build_four_weeks, change
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.mutation.forked_tests import OPTIONS
from session_pipeline_tests.mutation.model_tests import CANNOT_RUN, InvalidMutantError
from session_pipeline_tests.test_check_sums import CASES

# Modules that read queries.
READERS: Sequence[ModuleType] = (changes, deliveries, doubled, tables, unusual, verdict, visitors)
# The check of each query that adds up tables of a day.
CHECK_OF_QUERY: Mapping[str, Callable[[Run, Sequence[date]], Verdict]] = {
    "bot_shares": checks.bot_share,
    "miscounted_sessions": checks.sessions_cover_events,
    "path_sums": checks.paths_add_up,
    "session_counts": checks.outcomes_add_up,
    "visitor_counts": checks.visitors_add_up,
    "wrong_bots": checks.bots_add_up,
    "wrong_drops": checks.drops_add_up,
    "wrong_funnels": checks.funnels_monotone,
    "wrong_progress": checks.progress_adds_up,
}
# The tests of each other query.
TESTS_OF_QUERY: Mapping[str, Sequence[str]] = {
    "action_counts": ("test_check_warnings.py", "-k", "action"),
    "action_prefixes": ("test_check_warnings.py", "-k", "action or PathsThatContinue"),
    "conflicting_lines": ("test_check_warnings.py", "-k", "conflicting"),
    "doubled_page_views": ("test_check_doubled.py",),
    "outcome_alerts": ("test_check_alerts.py", "-k", "outcome_alerts"),
    "progress_alerts": ("test_check_alerts.py", "-k", "progress_alerts"),
    "sessions_of_sites": ("test_check_volume.py", "-k", "volume or usual or chance"),
    "sites_without_bounces": ("test_check_doubled.py",),
    "visitors_of_cohorts": ("test_checks.py", "-k", "cohorts"),
    "wrong_definitions": ("test_checks.py", "-k", "definitions"),
    "wrong_friction": ("test_friction.py", "-k", "wrong_counts or no_problem_of_a_signal"),
    "wrong_moments": ("test_moments.py", "-k", "add_up"),
}


class _Errors:
    """A plugin of pytest that keeps the last error of a test."""

    last: BaseException | None = None

    def pytest_exception_interact(self, call: pytest.CallInfo[None]) -> None:
        self.last = call.excinfo.value if call.excinfo else None


class CheckTests:
    """The tests, with their stores in a folder."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        correct = build_four_weeks(folder / "correct")
        self._correct = self._stack.enter_context(open_run(correct.folder, run_id="test"))
        self._wrong: dict[str, Run] = {}
        for number, (name, case) in enumerate(CASES.items()):
            if case.check in CHECK_OF_QUERY.values():
                deployment = correct.copied_to(folder / str(number))
                change(deployment, case.table, case.select)
                self._wrong[name] = self._stack.enter_context(open_run(deployment.folder, run_id="test"))

    def close(self) -> None:
        self._stack.close()

    def failure(self, query: str, sql: str) -> str | None:
        """Return a test that fails with this SQL for the query, or None.

        Raises:
            InvalidMutantError: The SQL cannot run.
        """
        with replaced_query(query, sql):
            if query in TESTS_OF_QUERY:
                return self._failed_module(query)
            try:
                return self._failed_case(CHECK_OF_QUERY[query])
            except CANNOT_RUN as error:
                raise InvalidMutantError(str(error)) from error
            except (duckdb.Error, TypeError) as error:  # TypeError: the check cannot show such a row
                return str(error)

    def _failed_case(self, check: Callable[[Run, Sequence[date]], Verdict]) -> str | None:
        if not check(self._correct, self._correct.planner.frame.wanted).holds:
            return "correct store"
        for name, run in self._wrong.items():
            case = CASES[name]
            if case.check is check and check(run, WEEKS) != case.verdict:
                return name
        return None

    @staticmethod
    def _failed_module(query: str) -> str | None:
        module, *options = TESTS_OF_QUERY[query]
        arguments = [*OPTIONS, "-m", "long or not long", str(ROOT / "session_pipeline_tests" / module), *options]
        errors = _Errors()
        with redirect_stdout(StringIO()):
            code = pytest.main(arguments, plugins=[errors])
        if isinstance(errors.last, CANNOT_RUN):
            raise InvalidMutantError(str(errors.last)) from errors.last
        assert code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), f"pytest ended with {code} for {query}"
        return None if code == pytest.ExitCode.OK else module


@contextmanager
def replaced_query(query: str, sql: str) -> Iterator[None]:
    """Replace the SQL of a query of the checks within the block."""

    def text(package: str, name: str) -> str:
        return sql if name == query else query_text(package, name)

    with ExitStack() as stack:
        for module in READERS:
            stack.enter_context(patch.object(module, "query_text", text))
        yield
