"""Runs the mutation tests and prints how many mutants were killed and which survived.

`python -m session_pipeline_tests.mutation [--sample 300] [FILE ...]` tries an evenly spread sample of the mutants of
each kind (0: all of them): of modules, of models, and of queries of the checks. The exit code is 1 if less than 93 % of
modules and models, or less than 65 % of queries and of LESS_TESTED, are killed. A survivor is not always a gap in the
tests: some mutants change no visible row.

mutmut, cosmic-ray and mutatest were considered: none changes SQL, and they start a new test process for each mutant.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from session_pipeline_tests.mutation import forked_tests
from session_pipeline_tests.mutation.forked_tests import Verdict
from session_pipeline_tests.mutation.mutants import MODELS, QUERIES, Mutant, files_of, sample, source_of
from session_pipeline_tests.mutation.python import python_mutants

THRESHOLD = 0.93  # of the mutants of modules and models
# Of queries of the checks and LESS_TESTED. The wrong tables have one site and few rows: many mutants change no result.
LOWER_THRESHOLD = 0.65
SAMPLE = 300  # mutants of each kind
SEEDS = (0,)  # groups of generated cases that run on mutants of the models

TESTS = "session_pipeline_tests"
CATALOG = (f"{TESTS}/test_catalog.py", f"{TESTS}/test_catalog_damage.py")
PLAN = tuple(f"{TESTS}/test_{name}.py" for name in ("wanted_days", "staleness", "plan", "known_states"))
# The tests of each module of the core, the fastest first.
TESTS_OF_MODULE: Mapping[str, Sequence[str]] = {
    "session_pipeline/reference/days.py": (f"{TESTS}/test_days.py", f"{TESTS}/test_steps.py"),
    "session_pipeline/store/catalog.py": CATALOG,
    "session_pipeline/store/catalog_file.py": CATALOG,
    "session_pipeline/store/catalog_rows.py": CATALOG,
    "session_pipeline/build/causes.py": (f"{TESTS}/test_causes.py",),
    "session_pipeline/build/fingerprints.py": PLAN,
    "session_pipeline/build/expiry.py": (f"{TESTS}/test_expiry_limits.py", f"{TESTS}/test_expiry.py"),
    "session_pipeline/build/known.py": (f"{TESTS}/test_known_states.py",),
    "session_pipeline/build/plan.py": PLAN,
    "session_pipeline/build/planner.py": PLAN,
    "session_pipeline/build/stale_days.py": (f"{TESTS}/test_stale_days.py",),
    "session_pipeline/checks/quarantine.py": tuple(
        f"{TESTS}/test_{name}.py" for name in ("check_quarantine", "wrapped_records", "short_files")
    ),
    "session_pipeline/ingest/erasing/erase_stored.py": (f"{TESTS}/test_erase_stored.py",),
    "session_pipeline/ingest/erasing/erasures.py": (f"{TESTS}/test_erased_ids.py", f"{TESTS}/test_erasures_file.py"),
    "session_pipeline/ingest/taken.py": tuple(
        f"{TESTS}/test_{name}.py" for name in ("expiry_limits", "access_log_visitors", "check_quarantine")
    ),
    "session_pipeline/publish/lake.py": (f"{TESTS}/test_lake_files.py", f"{TESTS}/test_lake.py"),
    "session_pipeline/publish/publication.py": (f"{TESTS}/test_publication.py", f"{TESTS}/test_warehouse_file.py"),
    "session_pipeline/publish/published_state.py": (f"{TESTS}/test_published_state.py", f"{TESTS}/test_lake_files.py"),
    "session_pipeline/tables/settings_sql.py": (f"{TESTS}/test_cases.py", "-k", "outcomes or goals or dimen or funnel"),
    "session_pipeline/tables/spans.py": (f"{TESTS}/test_steps.py", *PLAN),
    "session_pipeline/tables/graph.py": (f"{TESTS}/test_steps.py", f"{TESTS}/test_cases.py"),
}

# Modules whose texts and records many slow tests cover together, or of which many mutants only take more time, such as
# to look into one more folder. Only fast tests run here.
LESS_TESTED = (
    "session_pipeline/build/expiry.py",
    "session_pipeline/checks/quarantine.py",
    "session_pipeline/ingest/erasing/erase_stored.py",
    "session_pipeline/ingest/erasing/erasures.py",
    "session_pipeline/ingest/taken.py",
    "session_pipeline/publish/lake.py",
    "session_pipeline/publish/published_state.py",
)


def main(arguments: Sequence[str]) -> int:
    """Try the mutants and print the result; the exit code is 1 below the threshold."""
    parser = argparse.ArgumentParser(prog="python -m session_pipeline_tests.mutation", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help="a model, query of a check or module; default: all")
    parser.add_argument("--sample", type=int, default=SAMPLE, help=f"mutants of each kind; 0: all (default: {SAMPLE})")
    options = parser.parse_args(arguments)
    models, queries = (files_of(pattern) for pattern in (MODELS, QUERIES))
    unknown = set(options.files) - {*models, *queries, *TESTS_OF_MODULE}
    if unknown:
        parser.error(f"not a model, a query of a check or a module with known tests: {', '.join(sorted(unknown))}")

    def chosen(files: Sequence[str], make: Callable[[str, str], list[Mutant]]) -> list[Mutant]:
        wanted = [file for file in files if not options.files or file in options.files]
        mutants = [mutant for file in wanted for mutant in make(file, source_of(file))]
        return sample(mutants, options.sample or len(mutants))

    # Modules come first: their mutants must be imported before the package, which the models need.
    verdicts = [*verdicts_on_modules(chosen(list(TESTS_OF_MODULE), python_mutants))]
    from session_pipeline_tests.mutation.sql import sql_mutants

    verdicts += verdicts_on_models(chosen(models, sql_mutants))
    verdicts += verdicts_on_queries(chosen(queries, sql_mutants))
    less_tested = [item for item in verdicts if item[0].file in (*queries, *LESS_TESTED)]
    others = [item for item in verdicts if item not in less_tested]
    results = [
        report("mutants", others, THRESHOLD),
        report("mutants of checks and records", less_tested, LOWER_THRESHOLD),
    ]
    return 0 if verdicts and all(results) else 1


def report(what: str, verdicts: Sequence[tuple[Mutant, Verdict]], threshold: float) -> bool:
    """Print the survivors and how many were killed; return whether there are enough. Prints nothing without mutants."""
    if not verdicts:
        return True
    killed = sum(verdict is Verdict.KILLED for _, verdict in verdicts)
    survivors = [mutant for mutant, verdict in verdicts if verdict is Verdict.SURVIVED]
    total = killed + len(survivors)
    print("\n".join([f"{len(survivors)} survived:", *map(str, survivors)]) if survivors else "None survived.")
    print(f"{killed} of {total} {what} were killed ({killed / max(total, 1):.1%}; at least {threshold:.0%} must be).")
    return total > 0 and killed >= threshold * total


def verdicts_on_modules(mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, Verdict]]:
    """Try mutants of Python modules."""
    if mutants:
        forked_tests.import_libraries()
    for mutant in mutants:
        yield mutant, forked_tests.verdict_on(mutant.file, mutant.write(), TESTS_OF_MODULE[mutant.file])


def verdicts_on_models(mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, Verdict]]:
    """Try mutants of models."""
    if not mutants:  # the tests prepare the input of every case, which takes time
        return
    from session_pipeline_tests.mutation.model_tests import ModelTests

    with tempfile.TemporaryDirectory() as folder:
        tests = ModelTests(Path(folder), SEEDS)
        yield from _verdicts_on_sql(mutants, tests.failure)
        tests.close()


def verdicts_on_queries(mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, Verdict]]:
    """Try mutants of queries of the checks."""
    if not mutants:
        return
    from session_pipeline_tests.mutation.check_tests import CheckTests

    with tempfile.TemporaryDirectory() as folder:
        tests = CheckTests(Path(folder))
        yield from _verdicts_on_sql(mutants, tests.failure)
        tests.close()


def _verdicts_on_sql(
    mutants: Sequence[Mutant], failure: Callable[[str, str], str | None]
) -> Iterator[tuple[Mutant, Verdict]]:
    from session_pipeline_tests.mutation.model_tests import InvalidMutantError

    for mutant in mutants:
        try:
            is_killed = failure(Path(mutant.file).stem, mutant.write()) is not None
        except InvalidMutantError:
            yield mutant, Verdict.INVALID
        else:
            yield mutant, Verdict.KILLED if is_killed else Verdict.SURVIVED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
