"""Tests a data folder that was moved, copied or linked, with tables that are views on the files of the store."""

import shutil
from pathlib import Path

import pytest

import session_pipeline
from session_pipeline.errors import StoreError
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.older_versions import SETTINGS, UNTIL, lines
from session_pipeline_tests.shop_commands import call

pytestmark = pytest.mark.long

VIEWS = {**SETTINGS, "publish": {"native_limit_gb": 0.0}}
COMMANDS = (("query", "from daily_summary"), ("sessions",), ("show", "0"), ("report",), ("export", "all.duckdb"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    deployment = Deployment(tmp_path_factory.mktemp("views of a 'shop'") / "sessions", VIEWS)
    deployment.deliver("lines", lines(5))
    deployment.run(UNTIL)
    return deployment.folder.path


@pytest.mark.parametrize("is_moved", [True, False], ids=["moved", "copied"])
def test_nothing_is_read_until_the_next_run(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_moved: bool
) -> None:
    shutil.copytree(built, tmp_path / "data")  # keeps the times of files, as `cp -a`
    if is_moved:
        Deployment.at(tmp_path / "data").run(UNTIL)
        (tmp_path / "data").rename(tmp_path / "moved")
    folder = tmp_path / ("moved" if is_moved else "data")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        StoreError, match=f"the data folder was moved or copied; run `session-pipeline run --data {folder}` once"
    ):
        session_pipeline.read("sessions", data=folder)
    for command in COMMANDS:
        code, _, err = call(*command, "--data", folder)
        assert (code, "moved or copied" in err) == (1, True), command
    assert call("status", "--data", folder)[0] == 0
    Deployment.at(folder).run(UNTIL)
    assert len(session_pipeline.read("sessions", data=folder)) == 3


def test_link_to_the_folder_is_the_folder(built: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(built)
    assert len(session_pipeline.read("sessions", data=tmp_path / "link")) == 3
