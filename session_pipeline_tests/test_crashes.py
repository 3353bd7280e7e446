"""Tests that a run killed at any crash point, or by a power loss, needs no repair and is invisible to readers."""

import errno
import functools
import gzip
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.data_folder import DataFolder
from session_pipeline.publish import lake, warehouse_file
from session_pipeline.run.pipeline import open_store
from session_pipeline.store import store_files
from session_pipeline_tests.built_week import event
from session_pipeline_tests.crashes.killed_runs import places_of
from session_pipeline_tests.crashes.power_loss import Lost
from session_pipeline_tests.crashes.recovery import Scenario, firsts_and_lasts, make_scenario, places_met, walk
from session_pipeline_tests.deployment import Deployment, damage
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.reliability.figures import effort, record

LAST = date(2026, 10, 20)
UNTIL = date(2026, 10, 8)  # later days that are built are dropped
PARTS = 4
STRIDE = max(1, 36 // effort())  # the walk kills at every n-th crash point that a run reaches
LONG_STRIDE = 216 if effort() == 1 else max(1, 108 // effort())  # the same for a run that builds many tables


def two_days(folder: Path) -> Deployment:
    """Build two days and publish so often that the next publication deletes old files."""
    deployment = Deployment(folder)
    for day in (5, 9):
        lines = [event("v1", f"2026-10-{day:02}T10:{minute:02}:00Z", day * 100 + minute) for minute in range(3)]
        deployment.deliver(f"day-{day}", lines)
    for goal in ("first", "second", "third", "fourth", "fifth"):
        deployment.set(settings(goal))
        deployment.run(LAST)
    return deployment


def settings(goal: str) -> Mapping[str, Any]:
    """Return settings with a goal of this name. Only one table depends on the name."""
    return {"resources": {"threads": 1}, "goals": [{"name": goal, "where": "event_name = 'page_view'"}]}


def change(deployment: Deployment, late: Sequence[Mapping[str, Any]]) -> None:
    """Make one change of every kind: a late file, a bad file, a bad line, damage, a changed setting, a dropped day."""
    folder = deployment.folder
    text = "".join(json.dumps(line) + "\n" for line in (*late, "no event"))
    (folder.raw / "test" / "late.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    (folder.raw / "test" / "bad.jsonl.gz").write_bytes(b"no gzip")
    deployment.set(settings("sixth"))
    (raw,) = folder.store.glob("raw_events/utc_date=2026-10-05/*.parquet")
    damage(raw, b"damaged")
    # What a dead run of an older version leaves.
    shutil.copyfile(raw, folder.store / "events" / "event_date=2026-10-05" / "left.parquet")
    with closing(open_store(folder)) as opened:
        opened.catalog.set_state("run_is_open", 1)
    (folder.store / "_format.json").write_text('{"format": 1, "package_version": "0.1"}')


# A duplicate line changes little. The walk over every crash point uses this change.
AGAIN = functools.partial(change, late=(event("v1", "2026-10-05T10:01:30Z", 501),))
# An event that extends a session and one of a new visitor: the day and the tables derived from it are rebuilt.
LATE = functools.partial(
    change, late=(event("v2", "2026-10-05T10:30:00Z", 1), event("v1", "2026-10-05T10:20:00Z", 999))
)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return two_days(tmp_path_factory.mktemp("crashes") / "start")


@pytest.fixture(scope="module")
def scenario(start: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return make_scenario(start, AGAIN, UNTIL, tmp_path_factory.mktemp("again"))


@pytest.fixture(scope="module")
def late_scenario(start: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return make_scenario(start, LATE, UNTIL, tmp_path_factory.mktemp("late"))


@pytest.mark.reliability
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_run_needs_no_repair(scenario: Scenario, part: int, tmp_path: Path) -> None:
    deaths = walk(scenario, tmp_path / "walk", count(1 + part * STRIDE, PARTS * STRIDE))
    # The walk ends with a run that was not killed, so every crash point of this part was reached.
    assert len(deaths) == len(scenario.places[part * STRIDE :: PARTS * STRIDE])
    record(kill_points_hit=len(deaths), kills_survived=len(deaths))


@pytest.mark.reliability
def test_killed_run_that_builds_much_needs_no_repair(late_scenario: Scenario, tmp_path: Path) -> None:
    deaths = walk(late_scenario, tmp_path / "walk", count(1, LONG_STRIDE))
    assert deaths
    record(kill_points_hit=len(deaths), kills_survived=len(deaths))


def let_expire(deployment: Deployment) -> None:
    """Let raw events of both days expire, the tables of people of the first one, and the text of a quarantined line."""
    privacy = {"keep_days": {"raw": 10, "events": 13}, "quarantine_days": 1}
    deployment.set({**settings("fifth"), "privacy": privacy})


@pytest.mark.reliability
def test_run_that_is_killed_while_days_expire_needs_no_repair(start: Deployment, tmp_path: Path) -> None:
    with_bad_line = start.copied_to(tmp_path / "start")
    with_bad_line.deliver("bad-line", [event("v1", "2026-10-05T11:00:00Z", 1), "no event"])
    with_bad_line.run(LAST)
    scenario = make_scenario(with_bad_line, let_expire, LAST, tmp_path)
    of_commits = ("commit: ", "catalog: ")
    around_commits = firsts_and_lasts(scenario.places, of_commits)
    if effort() > 1:
        around_commits = {number for number, place in enumerate(scenario.places, 1) if place.startswith(of_commits)}
    numbers = sorted(around_commits | set(range(1, len(scenario.places) + 1, STRIDE)))
    deaths = walk(scenario, tmp_path / "walk", numbers)
    assert {"catalog: transaction begun", "catalog: transaction filled", "commit: done"} <= places_of(deaths).keys()
    with closing(open_store(DataFolder(tmp_path / "undisturbed"))) as store:
        assert store.catalog.frozen_before() == date(2026, 10, 11)
        assert not store.of_table("raw_events")
    record(kill_points_hit=len(deaths), kills_survived=len(deaths))


@pytest.fixture(scope="module")
def met(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """The crash points that a run reaches where files can have few hard links."""
    return places_met(scenario, tmp_path_factory.mktemp("met") / "data", prepare=with_few_links)


@pytest.mark.reliability
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("lost", Lost)
def test_power_loss_needs_no_repair(
    scenario: Scenario, met: Sequence[str], lost: Lost, part: int, tmp_path: Path
) -> None:
    in_the_code = sorted(places_in_the_code())
    assert len(in_the_code) >= 25
    # The first or the last time that a run reaches each crash point; with little effort, half of them for each loss.
    numbers = {place: number for number, place in (enumerate(met, 1) if lost is Lost.BYTES else backwards(met))}
    places = set((in_the_code[lost is Lost.NAMES :: 2] if effort() == 1 else in_the_code)[part::PARTS])
    assert places <= numbers.keys(), f"no run reaches {places - numbers.keys()}"
    chosen = sorted(numbers[place] for place in places)
    deaths = walk(scenario, tmp_path / "walk", chosen, lost=lost, prepare=with_few_links)
    assert places_of(deaths).keys() == places
    record(
        kill_points_hit=len(deaths),
        kills_survived=len(deaths),
        power_losses_survived=len(deaths),
        crash_places=len(places) if effort() == 1 or lost is Lost.NAMES else 0,
    )


def without_sync_file() -> None:
    for module in (store_files, lake, warehouse_file):
        module.sync_file = lambda path: None


def without_sync_folder() -> None:
    for module in (store_files, lake, warehouse_file):
        module.sync_folder = lambda folder: None


@pytest.mark.reliability
@pytest.mark.parametrize(
    ("seed", "lost", "problem"),
    [
        (without_sync_file, Lost.BYTES, "content is not what was written"),
        (without_sync_folder, Lost.NAMES, "the file is missing"),
    ],
)
def test_power_loss_reveals_a_missing_fsync(
    scenario: Scenario, seed: Callable[[], None], lost: Lost, problem: str, tmp_path: Path
) -> None:
    number = dict(map(reversed, enumerate(scenario.places, 1)))["commit: done"]
    with pytest.raises(AssertionError, match=problem):
        walk(scenario, tmp_path / "seeded", [number], lost=lost, prepare=seed)
    assert walk(scenario, tmp_path / "whole", [number], lost=lost)


def places_in_the_code() -> set[str]:
    source = "".join(path.read_text() for path in (ROOT / "session_pipeline").rglob("*.py"))
    places = set(re.findall(r'crash_points\.reached\("([^"]+)"\)', source))
    assert source.count("crash_points.reached(") == len(re.findall(r'crash_points\.reached\("', source))
    # Those of erasures are in test_killed_erasure. Those of compacted files need many days and are in test_compaction,
    # also files that are not as they were written, as after a power loss.
    return {place for place in places if not place.startswith(("erase: ", "compaction: "))}


def backwards(places: Sequence[str]) -> list[tuple[int, str]]:
    return list(enumerate(places, 1))[::-1]


def with_few_links() -> None:
    """Simulate a file system that limits the number of hard links of a file."""
    link = os.link

    def few(source: Path, target: Path) -> None:
        if "session_goals" in str(target):
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), str(target))
        link(source, target)

    os.link = few
