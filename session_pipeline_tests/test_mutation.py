"""Tests that the mutation program makes valid mutants and kills known ones. The full program runs nightly."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.mutation.check_tests import CHECK_OF_QUERY, TESTS_OF_QUERY, CheckTests
from session_pipeline_tests.mutation.model_tests import InvalidMutantError, ModelTests
from session_pipeline_tests.mutation.mutants import MODELS, QUERIES, Mutant, files_of, source_of
from session_pipeline_tests.mutation.python import python_mutants
from session_pipeline_tests.mutation.sql import parsed, sql_mutants, written

MODEL = "session_pipeline/tables/outcomes/daily_outcomes.sql"
QUERY = "session_pipeline/checks/queries/wrong_bots.sql"


@pytest.mark.parametrize(
    ("file", "make", "formatted"),
    [
        ("session_pipeline/tables/sessions/open_sessions.sql", sql_mutants, lambda text: written(parsed(text))),
        ("session_pipeline/reference/days.py", python_mutants, lambda text: ast.unparse(ast.parse(text))),
    ],
)
def test_each_mutant_is_a_different_valid_source(
    file: str, make: Callable[[str, str], list[Mutant]], formatted: Callable[[str], str]
) -> None:
    text = source_of(file)
    sources = [mutant.write() for mutant in make(file, text)]
    assert len(set(sources)) > 10
    assert formatted(text) not in sources
    assert all(formatted(source) == source for source in sources)


@pytest.mark.long
def test_mutants_of_all_models_and_queries_can_be_made() -> None:
    mutants = [
        mutant for file in [*files_of(MODELS), *files_of(QUERIES)] for mutant in sql_mutants(file, source_of(file))
    ]
    assert len({mutant.file for mutant in mutants}) > 100


@pytest.mark.long
def test_known_mutants_of_a_model_are_killed(tmp_path: Path) -> None:
    tests = ModelTests(tmp_path, most_seconds=0.5)
    text = source_of(MODEL)
    assert tests.failure("daily_outcomes", written(parsed(text))) is None
    [mutant, *_] = [mutant for mutant in sql_mutants(MODEL, text) if mutant.before == "NOT s.is_bot"]
    assert tests.failure("daily_outcomes", mutant.write()) is not None
    endless = "from session_outcomes as o cross join range(1000000) as a cross join range(1000000) as b"
    assert tests.failure("daily_outcomes", text.replace("from session_outcomes as o", endless)) is not None
    with pytest.raises(InvalidMutantError):
        tests.failure("daily_outcomes", "select nothing from nowhere")
    tests.close()


@pytest.mark.nightly
def test_known_mutants_of_a_check_are_killed(tmp_path: Path) -> None:
    tests = CheckTests(tmp_path)
    text = source_of(QUERY)
    assert tests.failure("wrong_bots", written(parsed(text))) is None
    assert tests.failure("wrong_bots", f"select * from ({text.rstrip()}) where false") is not None
    with pytest.raises(InvalidMutantError):
        tests.failure("wrong_bots", "select nothing from nowhere")
    of_module = source_of(QUERY.replace("wrong_bots", "visitors_of_cohorts"))
    assert tests.failure("visitors_of_cohorts", written(parsed(of_module))) is None
    assert tests.failure("visitors_of_cohorts", f"select * from ({of_module.rstrip()}) where false") == "test_checks.py"
    tests.close()


def test_each_query_of_the_checks_has_tests() -> None:
    queries = {path.stem for path in (ROOT / QUERY).parent.glob("*.sql")}
    listed = {*CHECK_OF_QUERY, *TESTS_OF_QUERY}
    assert listed == queries, (
        "list each query of checks/queries/ in mutation/check_tests.py, with its check or its tests"
    )
    assert not CHECK_OF_QUERY.keys() & TESTS_OF_QUERY.keys()


@pytest.mark.nightly
def test_program_counts_mutants_of_a_module() -> None:
    command = [
        sys.executable,
        "-m",
        "session_pipeline_tests.mutation",
        "--sample",
        "2",
        "session_pipeline/reference/days.py",
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stdout.endswith("2 of 2 mutants were killed (100.0%; at least 93% must be).\n"), ended.stderr
    assert ended.returncode == 0
