"""Tests that an erasure that is killed leaves one of two complete states, and is finished by the next run."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from session_pipeline.ingest.erasing.erasures import unfinished_in
from session_pipeline.run.person import Person
from session_pipeline.store import crash_points
from session_pipeline_tests.crashes.killed_runs import PROCESSES, KillAt
from session_pipeline_tests.crashes.recovery import State, faults_of, firsts_and_lasts, state_of, warehouse_of
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.erasures import CANARY, CANARY_USER, Erased, begin, complete, texts_left
from session_pipeline_tests.reliability.figures import amount, record


def erase_in_this_process(folder: Path, place: int, log: str) -> None:
    """Erase the canary, and die at a crash point."""
    os.environ[crash_points.CRASH_AT], os.environ[crash_points.CRASH_LOG] = "0", log
    KillAt(place)()
    deployment = Deployment.at(folder)
    begin(deployment, Person(CANARY, None, None))
    complete(deployment)


def places_of_a_killed_erasure(deployment: Deployment, place: int, log: Path) -> list[str]:
    """Kill an erasure at its n-th crash point, or nowhere if it is 0; return the places that it reached."""
    child = PROCESSES.Process(target=erase_in_this_process, args=(deployment.folder.path, place, str(log)), daemon=True)
    child.start()
    child.join(300)
    assert child.exitcode in (0, -signal.SIGKILL)
    return log.read_text().splitlines()


@pytest.fixture(scope="module")
def before(with_canary: Deployment) -> State:
    return state_of(with_canary)


@pytest.fixture(scope="module")
def after(erased: Erased) -> State:
    return state_of(erased.deployment)


@pytest.fixture(scope="module")
def places(with_canary: Deployment, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The crash points that an undisturbed erasure reaches."""
    folder = tmp_path_factory.mktemp("all")
    return places_of_a_killed_erasure(with_canary.copied_to(folder / "data"), 0, folder / "log")


def require_recovery(deployment: Deployment, before: State, after: State) -> None:
    """Readers see one of two states; the next run finishes the erasure."""
    assert warehouse_of(deployment.folder) in (before.warehouse, after.warehouse)
    if not deployment.folder.erasures.exists():  # it was killed before anything was recorded
        begin(deployment, Person(CANARY, None, None))
    if unfinished_in(deployment.folder) is not None:
        complete(deployment)
    assert deployment.hashes() == after.partitions
    assert warehouse_of(deployment.folder) == after.warehouse
    assert faults_of(deployment) == ["erasures.json was left behind"]
    assert texts_left(deployment, [f'"{CANARY}"', f"/{CANARY}", CANARY_USER]) == []


@pytest.mark.reliability
@pytest.mark.parametrize("part", range(4))
def test_erasure_survives_a_kill_at_each_step(
    with_canary: Deployment, places: list[str], before: State, after: State, part: int, tmp_path: Path
) -> None:
    # Every step of the erasure, its first and its last time, and some of all other crash points.
    stride = max(1, len(places) // amount(4, 10))
    numbers = sorted(firsts_and_lasts(places, "erase: ") | set(range(1, len(places) + 1, stride)))
    for number in numbers[part::4]:
        deployment = with_canary.copied_to(tmp_path / str(number))
        reached = places_of_a_killed_erasure(deployment, number, tmp_path / f"{number}.log")
        assert len(reached) == number
        require_recovery(deployment, before, after)
        shutil.rmtree(deployment.folder.path)
    record(kill_points_hit=len(numbers[part::4]), kills_survived=len(numbers[part::4]))
