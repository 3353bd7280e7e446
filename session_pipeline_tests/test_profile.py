"""Tests the time of each stage: what a stage counts, and what `run --profile` prints."""

import json
from datetime import date
from pathlib import Path
from time import process_time

import pytest
from typer.testing import CliRunner

from session_pipeline.cli import app
from session_pipeline.cli.summary import REST
from session_pipeline.run import profile
from session_pipeline.run.profile import Profile
from session_pipeline.tables.steps import STEPS
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, shop_lines

DAY = date(2024, 5, 6)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the profile reads, for the clock and the processor."""
    now = [100.0]
    monkeypatch.setattr(profile, "perf_counter", lambda: now[0])
    monkeypatch.setattr(profile, "process_time", lambda: now[0] / 2)
    return now


def test_stage_does_not_count_the_stages_within_it(clock: list[float]) -> None:
    found = Profile()
    clock[0] += 5  # before any stage
    with found.stage("build"):
        clock[0] += 1
        with found.stage("plan"):
            clock[0] += 10
        clock[0] += 2
        assert found.seconds("build") == 3, "a stage that is still open"
    clock[0] += 5  # between two stages
    with found.stage("plan"):
        clock[0] += 20
    assert {name: (spent.seconds, spent.cpu_seconds) for name, spent in found.stages.items()} == {
        "build": (3, 1.5),
        "plan": (30, 15),
    }
    assert found.seconds("publish") == 0


def test_stage_that_fails_is_counted(clock: list[float]) -> None:
    found = Profile()
    with pytest.raises(ValueError), found.stage("build"):  # noqa: PT011, PT012
        clock[0] += 1
        raise ValueError
    clock[0] += 5
    assert found.seconds("build") == 1


@pytest.mark.long
def test_run_prints_the_stages_of_a_build_and_their_sum(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SMALL)
    deployment.deliver(str(DAY), shop_lines(DAY))
    before = process_time()
    called = CliRunner().invoke(app, ["run", "--profile", "--json", "--data", str(deployment.folder.path)])
    assert called.exit_code == 0, called.output
    result = json.loads(called.stdout)
    stages = result["stages"]
    general = {profile.CHECKS, profile.DAGSTER, profile.INGEST, profile.PLAN, profile.PUBLISH, profile.REPORT, REST}
    assert set(stages) == general | {step.name for step in STEPS}
    assert result["seconds"] <= sum(stage["seconds"] for stage in stages.values()) + 0.1
    assert sum(stage["cpu_seconds"] for stage in stages.values()) <= process_time() + 0.1
    assert all(stages[step.name]["cpu_seconds"] < process_time() - before for step in STEPS)

    called = CliRunner().invoke(app, ["run", "--profile", "--data", str(deployment.folder.path)])
    assert called.stdout.splitlines()[-4].split() == ["stage", "seconds", "CPU", "seconds"]
    assert [line.split()[0] for line in called.stdout.splitlines()[-3:]] == ["plan", "start,", "all"]
    called = CliRunner().invoke(app, ["run", "--data", str(deployment.folder.path)])
    assert "CPU" not in called.stdout
