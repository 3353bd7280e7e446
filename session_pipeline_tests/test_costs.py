"""Limits of what a command does at most: how often it opens the store, computes the plan and parses the settings."""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from session_pipeline.build.planner import Planner
from session_pipeline.cli import app
from session_pipeline.settings import load
from session_pipeline.store.store import Store
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, shop_lines

DAYS = [date(2024, 5, day) for day in (6, 7)]


def with_shop(folder: Path) -> Deployment:
    """Two days of a shop that are delivered and not ingested."""
    deployment = Deployment(folder, SMALL)
    for day in DAYS:
        deployment.deliver(str(day), shop_lines(day))
    return deployment


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same days, built without Dagster, and their report, which a run of the command then writes."""
    deployment = with_shop(tmp_path_factory.mktemp("shop") / "data")
    deployment.run()
    call(deployment.folder.path, "run")
    return deployment.folder.path


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what the commands of a test do."""
    counted: Counter[str] = Counter()
    for owner, name, what in (
        (Store, "__init__", "stores opened"),
        (Planner, "plan", "plans computed"),
        (load, "parse_settings", "settings parsed"),
    ):
        original = getattr(owner, name)

        def counting(*args: Any, what: str = what, original: Any = original, **more: Any) -> Any:
            counted[what] += 1
            return original(*args, **more)

        monkeypatch.setattr(owner, name, counting)
    return counted


def call(data: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--data", str(data)])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.long
def test_run_with_new_data_computes_two_plans(tmp_path: Path, done: Counter[str]) -> None:
    assert "2 new" in call(with_shop(tmp_path / "data").folder.path, "run")
    assert done == {"stores opened": 1, "plans computed": 2, "settings parsed": 1}


@pytest.mark.long
@pytest.mark.parametrize("command", ["run", "plan"])
def test_command_with_nothing_to_do_computes_one_plan(built: Path, done: Counter[str], command: str) -> None:
    call(built, command)
    assert done == {"stores opened": 1, "plans computed": 1, "settings parsed": 1}


@pytest.mark.long
def test_status_computes_at_most_two_plans(built: Path, done: Counter[str]) -> None:
    call(built, "status")
    assert done["stores opened"] == done["settings parsed"] == 1
    assert done["plans computed"] <= 2  # the other one is for the last day that is published
