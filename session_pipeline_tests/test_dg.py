"""Tests that `dg dev`, in a folder like this repository, shows the run history of the folder's data/."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from session_pipeline.data_folder import ENVIRONMENT_VARIABLE
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.orchestration import orchestrated, shop_lines
from session_pipeline_tests.test_dagster_ui import DAYS

pytest.importorskip("dagster_dg_cli", reason="the extra dev is not installed")
PATIENCE = 300.0
QUERY = """{
  runsOrError { ... on Runs { results { runId repositoryOrigin { repositoryLocationName } } } }
  repositoriesOrError { ... on RepositoryConnection { nodes { location { name } jobs { name } } } }
}"""


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "dg.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                Path(sys.executable).parent / "dg",
                "dev",
                "--use-active-venv",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
            ],
            cwd=tmp_path,
            env={**environment, "PATH": path, "DAGSTER_DISABLE_TELEMETRY": "yes"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            answer = ask(port, server, log)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(120)
    assert before <= {run["runId"] for run in answer["runsOrError"]["results"]}
    [repository] = answer["repositoriesOrError"]["nodes"]
    assert repository["location"]["name"] == "session_pipeline.definitions"
    assert {"ingest", "build"} <= {job["name"] for job in repository["jobs"]}


def ask(port: int, server: "subprocess.Popen[bytes]", log: Path) -> dict[str, dict[str, list[dict[str, object]]]]:
    request = Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": QUERY}).encode(),
        {"content-type": "application/json"},
    )
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(request, timeout=60) as answer:
                found = json.load(answer)["data"]
        except (URLError, TimeoutError, ConnectionError):
            sleep(0.5)
            continue
        if found["repositoriesOrError"].get("nodes"):
            return found
        sleep(0.5)
    pytest.fail(f"dg dev did not start:\n{log.read_text()}")
