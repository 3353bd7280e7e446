"""The tests notice small changes: to the SQL of the models, and to the Python of the core.

Of all mutants an evenly spread sample is tried, larger with the effort. survivors.toml has those that are known to
survive, each with the reason why it may; one that is noticed by now has to leave it, one that is not there is shown.

mutmut, cosmic-ray and mutatest were looked at: none changes SQL. mutmut leaves out what has a decorator, so here the
transactions, the lock and all that is cached; the others start a test run of their own for each mutant.
"""

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from session_pipeline_tests import model_tests
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.figures import effort, record, tell
from session_pipeline_tests.forked_tests import forked_tests
from session_pipeline_tests.model_tests import ModelTests, StillbornError
from session_pipeline_tests.mutants import Mutant, source_of, spread, survivors
from session_pipeline_tests.python_mutants import python_mutants
from session_pipeline_tests.sql_mutants import parsed, sql_mutants, written

MODELS = tuple(sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("session_pipeline/models/*.sql")))
SQL_MUTANTS, PYTHON_MUTANTS = 120, 50  # that a usual run tries
SEEDS = (0,)  # groups of generated cases that mutants of the models meet
AT_LEAST = 0.9


def cases(*names: str) -> tuple[str, ...]:
    return tuple(f"session_pipeline_tests/test_cases.py::test_case[duckdb-{name}]" for name in names)


# For each module of the core the tests that are about it, the quickest first.
TESTS_OF_MODULE: dict[str, tuple[str, ...]] = {
    "session_pipeline/days.py": ("session_pipeline_tests/test_days.py", "session_pipeline_tests/test_steps.py"),
    "session_pipeline/catalog.py": ("session_pipeline_tests/test_catalog.py",),
    "session_pipeline/plan.py": ("session_pipeline_tests/test_plan.py",),
    "session_pipeline/relations.py": cases(
        "session_outcomes/the_first_rule_that_holds_decides",
        "session_outcomes/value_is_summed_over_all_events_that_meet_the_rule",
        "session_outcomes/a_rule_can_decide_on_the_session_as_a_whole",
        "session_goals/all_events_that_meet_a_goal_are_counted_and_their_values_summed",
        "session_goals/a_session_has_a_row_for_each_goal_it_reaches",
        "session_dimensions/each_dimension_of_the_settings_is_a_row",
        "session_dimensions/the_first_known_value_counts",
        "daily_breakdowns/each_value_of_a_dimension_is_a_row",
        "daily_breakdowns/dimensions_of_the_settings_are_counted_too",
        "funnel_events/an_event_has_a_row_for_each_step_it_meets",
        "funnel_events/exclusions_are_numbered_from_minus_one_down",
        "funnel_events/a_dimension_of_the_settings_can_be_the_breakdown",
        "funnel_events/the_breakdown_is_that_of_the_session",
        "action_labels/fold_rules_of_the_settings_replace_the_packaged_ones_and_apply_in_order",
        "action_labels/numbers_in_paths_are_folded",
        "action_labels/slashes_at_the_end_make_no_other_action",
    ),
    "session_pipeline/steps.py": (
        "session_pipeline_tests/test_steps.py",
        *cases(
            "agents_seen/people_and_programs_are_told_apart",
            "events/a_repeated_event_is_kept_once",
            "duplicate_events/each_repeated_line_names_the_line_that_was_kept",
            "sessions/the_channel_follows_the_campaign_then_the_click_id_then_the_referrer",
        ),
    ),
}


def all_mutants(files: Sequence[str], make: Callable[[str, str], list[Mutant]]) -> list[Mutant]:
    return [mutant for file in files for mutant in make(file, source_of(file))]


def judge(killed: Sequence[Mutant], alive: Sequence[Mutant]) -> None:
    """Fail when too many survive, or when one no longer does that is known to; show those that are not known to."""
    known = {survivor.name for survivor in survivors()}
    noticed = [mutant.name for mutant in killed if mutant.name in known]
    assert not noticed, "survivors.toml lists what a test notices by now:\n" + "\n".join(noticed)
    unknown = [mutant.name for mutant in alive if mutant.name not in known]
    if unknown:
        tell("\n  ".join(["Mutants that no test noticed, and without a reason to survive:", *unknown]))
    assert effort() > 1 or not unknown, "survivors.toml is to give the reason of each of the usual sample"
    assert len(killed) >= AT_LEAST * (len(killed) + len(alive))


@pytest.mark.reliability
@pytest.mark.timeout(36000)
def test_mutants_of_the_models_are_noticed(tmp_path: Path) -> None:
    killed, alive = [], []
    tests = ModelTests(tmp_path, SEEDS)
    for mutant in spread(all_mutants(MODELS, sql_mutants), SQL_MUTANTS * effort()):
        try:
            failure = tests.failure(Path(mutant.file).stem, mutant.write())
        except StillbornError:
            continue
        (alive if failure is None else killed).append(mutant)
    tests.close()
    record(mutants=len(killed) + len(alive), mutants_killed=len(killed))
    judge(killed, alive)


@pytest.mark.reliability
@pytest.mark.timeout(36000)
def test_mutants_of_the_core_are_noticed() -> None:
    killed, alive = [], []
    with forked_tests() as tests:
        for mutant in spread(all_mutants(list(TESTS_OF_MODULE), python_mutants), PYTHON_MUTANTS * effort()):
            verdict = tests.verdict(mutant.file, mutant.write(), TESTS_OF_MODULE[mutant.file])
            if not verdict.is_stillborn:
                (killed if verdict.is_killed else alive).append(mutant)
    record(mutants=len(killed) + len(alive), mutants_killed=len(killed))
    judge(killed, alive)


# What makes the above worth something


@pytest.mark.parametrize(
    ("file", "make", "original"),
    [
        ("session_pipeline/models/open_sessions.sql", sql_mutants, lambda text: written(parsed(text))),
        ("session_pipeline/days.py", python_mutants, lambda text: ast.unparse(ast.parse(text))),
    ],
)
def test_each_mutant_is_another_source_that_can_be_read(
    file: str, make: Callable[[str, str], list[Mutant]], original: Callable[[str], str]
) -> None:
    text = source_of(file)
    sources = [mutant.write() for mutant in make(file, text)]
    assert len(set(sources)) == len(sources) > 10
    assert original(text) not in sources
    assert all(original(source) == source for source in sources)


def test_models_as_they_are_pass_and_a_mutant_does_not(tmp_path: Path) -> None:
    file = "session_pipeline/models/daily_outcomes.sql"
    tests = ModelTests(tmp_path)
    assert tests.failure("daily_outcomes", written(parsed(source_of(file)))) is None
    [mutant] = [item for item in sql_mutants(file, source_of(file)) if item.change == "NOT s.is_bot -> s.is_bot"]
    assert tests.failure("daily_outcomes", mutant.write()) is not None
    with pytest.raises(StillbornError):
        tests.failure("daily_outcomes", "select nothing from nowhere")
    tests.close()


def test_a_mutant_of_a_model_that_does_not_come_to_its_end_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_tests, "MOST_SECONDS", 0.5)
    tests = ModelTests(tmp_path)
    endless = "from session_outcomes as o cross join range(1000000) as a cross join range(1000000) as b"
    text = source_of("session_pipeline/models/daily_outcomes.sql")
    assert text.count("from session_outcomes as o") == 1
    assert tests.failure("daily_outcomes", text.replace("from session_outcomes as o", endless)) is not None
    assert tests.failure("daily_outcomes", text) is None
    tests.close()


def test_modules_as_they_are_pass_and_a_mutant_does_not() -> None:
    file = "session_pipeline/days.py"
    tests = ("session_pipeline_tests/test_days.py::test_a_day_that_does_not_exist_is_passed_over",)
    [mutant] = [item for item in python_mutants(file, source_of(file)) if item.change == "day += ONE_DAY -> pass (2)"]
    with forked_tests() as forked:
        assert not forked.verdict(file, ast.unparse(ast.parse(source_of(file))), tests).is_killed
        assert forked.verdict(file, "def broken(:", tests).is_stillborn
        assert forked.verdict(file, source_of(file).replace("max(self.start", "min(self.start"), tests).is_killed
    assert mutant.place == "Calendar.next"


def test_every_known_survivor_is_a_mutant_that_exists_and_has_a_reason() -> None:
    names = {mutant.name for mutant in all_mutants(MODELS, sql_mutants)}
    names |= {mutant.name for mutant in all_mutants(list(TESTS_OF_MODULE), python_mutants)}
    known = Counter(survivor.name for survivor in survivors())
    assert [name for name in known if name not in names] == []
    assert [name for name, times in known.items() if times > 1] == []
    assert all(survivor.reason for survivor in survivors())
