"""Runs the mutation tests and prints how many mutants were killed and which survived.

`python -m session_pipeline_tests.mutation [--sample 300] [FILE ...]` tries an evenly spread sample of the mutants of
each kind (0: all of them). The exit code is 1 if less than 93 % are killed. A survivor is not always a gap in the
tests: some mutants change no visible row.

mutmut, cosmic-ray and mutatest were considered: none changes SQL, and they start a new test process for each mutant.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.mutation import forked_tests
from session_pipeline_tests.mutation.forked_tests import Verdict
from session_pipeline_tests.mutation.mutants import Mutant, sample, source_of
from session_pipeline_tests.mutation.python import python_mutants

THRESHOLD = 0.93
SAMPLE = 300  # mutants of each kind
SEEDS = (0,)  # groups of generated cases that run on mutants of the models

TESTS = "session_pipeline_tests"
PLAN = tuple(f"{TESTS}/test_{name}.py" for name in ("wanted_days", "staleness", "plan", "known_states"))
# The tests of each module of the core, the fastest first.
TESTS_OF_MODULE: Mapping[str, Sequence[str]] = {
    "session_pipeline/reference/days.py": (f"{TESTS}/test_days.py", f"{TESTS}/test_steps.py"),
    "session_pipeline/store/catalog.py": (f"{TESTS}/test_catalog.py",),
    "session_pipeline/store/catalog_rows.py": (f"{TESTS}/test_catalog.py",),
    "session_pipeline/build/fingerprints.py": PLAN,
    "session_pipeline/build/plan.py": PLAN,
    "session_pipeline/build/planner.py": PLAN,
    "session_pipeline/tables/settings_sql.py": (f"{TESTS}/test_cases.py", "-k", "outcomes or goals or dimen or funnel"),
    "session_pipeline/tables/spans.py": (f"{TESTS}/test_steps.py", *PLAN),
    "session_pipeline/tables/graph.py": (f"{TESTS}/test_steps.py", f"{TESTS}/test_cases.py"),
}


def main(arguments: Sequence[str]) -> int:
    """Try the mutants and print the result; the exit code is 1 below the threshold."""
    parser = argparse.ArgumentParser(prog="python -m session_pipeline_tests.mutation", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help="a model or module; default: all")
    parser.add_argument("--sample", type=int, default=SAMPLE, help=f"mutants of each kind; 0: all (default: {SAMPLE})")
    options = parser.parse_args(arguments)
    models = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("session_pipeline/tables/*/*.sql"))
    unknown = set(options.files) - {*models, *TESTS_OF_MODULE}
    if unknown:
        parser.error(f"not a model or a module with known tests: {', '.join(sorted(unknown))}")

    def chosen(files: Sequence[str], make: Callable[[str, str], list[Mutant]]) -> list[Mutant]:
        wanted = [file for file in files if not options.files or file in options.files]
        mutants = [mutant for file in wanted for mutant in make(file, source_of(file))]
        return sample(mutants, options.sample or len(mutants))

    # Modules come first: their mutants must be imported before the package, which the models need.
    verdicts = [*verdicts_on_modules(chosen(list(TESTS_OF_MODULE), python_mutants))]
    from session_pipeline_tests.mutation.sql import sql_mutants

    verdicts += verdicts_on_models(chosen(models, sql_mutants))
    killed = sum(verdict is Verdict.KILLED for _, verdict in verdicts)
    survivors = [mutant for mutant, verdict in verdicts if verdict is Verdict.SURVIVED]
    total = killed + len(survivors)
    print("\n".join([f"{len(survivors)} survived:", *map(str, survivors)]) if survivors else "None survived.")
    print(f"{killed} of {total} mutants were killed ({killed / max(total, 1):.1%}; at least {THRESHOLD:.0%} must be).")
    return 0 if total and killed >= THRESHOLD * total else 1


def verdicts_on_modules(mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, Verdict]]:
    """Try mutants of Python modules."""
    if mutants:
        forked_tests.import_libraries()
    for mutant in mutants:
        yield mutant, forked_tests.verdict_on(mutant.file, mutant.write(), TESTS_OF_MODULE[mutant.file])


def verdicts_on_models(mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, Verdict]]:
    """Try mutants of models."""
    from session_pipeline_tests.mutation.model_tests import InvalidMutantError, ModelTests

    with tempfile.TemporaryDirectory() as folder:
        tests = ModelTests(Path(folder), SEEDS)
        for mutant in mutants:
            try:
                is_killed = tests.failure(Path(mutant.file).stem, mutant.write()) is not None
            except InvalidMutantError:
                yield mutant, Verdict.INVALID
            else:
                yield mutant, Verdict.KILLED if is_killed else Verdict.SURVIVED
        tests.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
