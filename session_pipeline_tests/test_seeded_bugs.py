"""Tests that the state machine's checks find each seeded bug, and that the same program passes without the bug."""

from collections.abc import Callable
from pathlib import Path

import pytest

from session_pipeline_tests.machine import programs as short_programs
from session_pipeline_tests.machine.machine import Machine
from session_pipeline_tests.machine.programs import Program
from session_pipeline_tests.machine.seeded_bugs import BUGS, PutIn
from session_pipeline_tests.reliability.figures import effort, record

SMOKE = "nothing_is_carried_over_midnight"
CHOSEN = [*BUGS][:: max(1, 3 // effort())]
PROGRAMS = sorted({BUGS[name].program for name in CHOSEN}, key=lambda program: program.__name__)


def name_of(function: Callable[..., object]) -> str:
    return function.__name__


@pytest.mark.reliability
@pytest.mark.parametrize("program", PROGRAMS, ids=name_of)
def test_program_passes_without_a_bug(program: Program, tmp_path: Path) -> None:
    program(Machine(tmp_path))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long if name == SMOKE else pytest.mark.reliability) for name in CHOSEN],
)
def test_bug_is_noticed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = BUGS[name]
    bug.put_in(monkeypatch.setattr)
    with pytest.raises((Exception, pytest.fail.Exception), match=bug.said):
        bug.program(Machine(tmp_path, PutIn(name)))
    record(seeded_bugs_caught=1)


def test_there_are_bugs_of_many_kinds() -> None:
    assert len(BUGS) >= 15
    assert all(hasattr(short_programs, bug.program.__name__) for bug in BUGS.values())


@pytest.mark.parametrize("name", BUGS)
def test_code_that_a_bug_changes_is_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[name].put_in(monkeypatch.setattr)
