"""Tests that `dg dev`, in a folder like this repository, shows the run history of the folder's data/."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from session_pipeline.data_folder import ENVIRONMENT_VARIABLE
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.orchestration import orchestrated, shop_lines
from session_pipeline_tests.servers import answer, reserved_port, server, wait_for
from session_pipeline_tests.test_dagster_ui import DAYS

pytest.importorskip("dagster_dg_cli", reason="the extra dev is not installed")
QUERY = """{
  runsOrError { ... on Runs { results { runId repositoryOrigin { repositoryLocationName } } } }
  repositoriesOrError { ... on RepositoryConnection { nodes { location { name } jobs { name } } } }
}"""


@pytest.mark.nightly
@pytest.mark.browser
@pytest.mark.timeout(900)
def test_dg_dev_shows_the_history_of_the_data_folder(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "dagster.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "session_pipeline").symlink_to(ROOT / "session_pipeline")
    with orchestrated(tmp_path / "data") as deployment:
        deployment.deliver(str(DAYS[0]), shop_lines(DAYS[0]))
        assert deployment.ingest().success
        before = {run.run_id for run in deployment.instance.get_runs()}
    unset = ("DAGSTER_HOME", ENVIRONMENT_VARIABLE, "VIRTUAL_ENV", "PYTHONPATH")
    environment = {key: value for key, value in os.environ.items() if key not in unset}
    bin_folder = Path(sys.executable).parent
    path = f"{bin_folder}{os.pathsep}{environment.get('PATH', '')}"
    log = tmp_path / "dg.log"
    with reserved_port() as port:
        command = [bin_folder / "dg", "dev", "--use-active-venv", "--host", "127.0.0.1", "--port", str(port)]
        with server(command, {**environment, "PATH": path, "DAGSTER_DISABLE_TELEMETRY": "yes"}, log, tmp_path) as dev:
            shown = wait_for(lambda: ask(port), dev, log)
    assert before <= {run["runId"] for run in shown["runsOrError"]["results"]}
    [repository] = shown["repositoriesOrError"]["nodes"]
    assert repository["location"]["name"] == "session_pipeline.definitions"
    assert {"ingest", "build"} <= {job["name"] for job in repository["jobs"]}


def ask(port: int) -> dict[str, dict[str, list[dict[str, object]]]] | None:
    """Return the answer once the code is loaded."""
    found = answer(f"http://127.0.0.1:{port}/graphql", {"query": QUERY})
    return found["data"] if found and found["data"]["repositoriesOrError"].get("nodes") else None
