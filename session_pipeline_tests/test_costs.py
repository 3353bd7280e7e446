"""Limits of what a command does at most: how often it opens the store, computes the plan and parses the settings."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from session_pipeline.build.planner import Planner
from session_pipeline.cli import app
from session_pipeline.settings import load
from session_pipeline.store.store import Store
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT


@pytest.fixture(scope="module")
def built(sample_deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the committed sample and all its tables. It was run once, so that the copied files are known."""
    folder = Path(shutil.copytree(sample_deployment.folder.path, tmp_path_factory.mktemp("sample") / "data"))
    call(folder, "run")
    return folder


def with_sample(folder: Path) -> Path:
    folder.mkdir()
    shutil.copyfile(ROOT / "data" / "settings.toml", folder / "settings.toml")
    shutil.copytree(ROOT / "data" / "raw" / "sample", folder / "raw" / "sample")
    return folder


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
    assert "14 new" in call(with_sample(tmp_path / "data"), "run")
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
