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
from session_pipeline_tests.crashes.recovery import faults_of, warehouse_of
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.erasures import CANARY, CANARY_USER, Erased, begin, complete, texts_left
from session_pipeline_tests.reliability.figures import effort, record


def erase_in_this_process(folder: Path, place: int | str, log: str) -> None:
    """Erase the canary, and die at a crash point."""
    os.environ[crash_points.CRASH_AT], os.environ[crash_points.CRASH_LOG] = "0", log
    KillAt(place)()
    deployment = Deployment.at(folder)
    begin(deployment, Person(CANARY, None, None))
    complete(deployment)


def places_of_a_killed_erasure(deployment: Deployment, place: int | str, log: Path) -> list[str]:
    """Kill an erasure at a crash point, the n-th or the first of that name; return the places that it reached."""
    child = PROCESSES.Process(target=erase_in_this_process, args=(deployment.folder.path, place, str(log)), daemon=True)
    child.start()
    child.join(300)
    assert child.exitcode in (0, -signal.SIGKILL)
    return log.read_text().splitlines()


def require_recovery(deployment: Deployment, before: Deployment, after: Deployment) -> None:
    """Readers see one of two states; the next run finishes the erasure."""
    assert warehouse_of(deployment.folder) in (warehouse_of(before.folder), warehouse_of(after.folder))
    if not deployment.folder.erasures.exists():  # it was killed before anything was recorded
        begin(deployment, Person(CANARY, None, None))
    if unfinished_in(deployment.folder) is not None:
        complete(deployment)
    assert deployment.hashes() == after.hashes()
    assert warehouse_of(deployment.folder) == warehouse_of(after.folder)
    assert faults_of(deployment) == ["erasures.json was left behind"]
    assert texts_left(deployment, [f'"{CANARY}"', f"/{CANARY}", CANARY_USER]) == []


@pytest.mark.long
def test_erasure_survives_a_kill(with_canary: Deployment, erased: Erased, tmp_path: Path) -> None:
    deployment = with_canary.copied_to(tmp_path / "data")
    places = places_of_a_killed_erasure(deployment, "erase: file written again", tmp_path / "log")
    assert places[-1] == "erase: file written again"
    require_recovery(deployment, with_canary, erased.deployment)


@pytest.mark.reliability
@pytest.mark.parametrize("part", range(4))
def test_erasure_survives_a_kill_at_each_step(
    with_canary: Deployment, erased: Erased, part: int, tmp_path: Path
) -> None:
    places = places_of_a_killed_erasure(with_canary.copied_to(tmp_path / "all"), 0, tmp_path / "all.log")
    # Every step of the erasure, its first and its last time, and some of all other crash points.
    firsts = {place: number for number, place in list(enumerate(places, 1))[::-1]}
    lasts = {place: number for number, place in enumerate(places, 1)}
    steps = {numbers[place] for numbers in (firsts, lasts) for place in numbers if place.startswith("erase: ")}
    numbers = sorted(steps | set(range(1, len(places) + 1, max(1, len(places) // (10 * effort())))))
    for number in numbers[part::4]:
        deployment = with_canary.copied_to(tmp_path / str(number))
        reached = places_of_a_killed_erasure(deployment, number, tmp_path / f"{number}.log")
        assert len(reached) == number
        require_recovery(deployment, with_canary, erased.deployment)
        shutil.rmtree(deployment.folder.path)
    record(kill_points_hit=len(numbers[part::4]), kills_survived=len(numbers[part::4]))
