"""Tests the examples of docs/deploy: files parse, commands exist, services find one another."""

import configparser
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from session_pipeline.defs import home
from session_pipeline_tests.commands import run_program
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.servers import answer, reserved_port, server, wait_for

pytestmark = pytest.mark.usefixtures("forked")

DEPLOY = ROOT / "docs" / "deploy"
SYSTEMD = sorted((DEPLOY / "systemd").iterdir())
COMPOSE: Any = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def here(command: Sequence[str]) -> list[str]:
    """Return the command with the program of this Python's environment, whatever its folder is."""
    return [str(Path(sys.executable).with_name(Path(command[0]).name)), *command[1:]]


def is_understood(command: Sequence[str]) -> bool:
    """Return whether the program exists and knows all options. With an unknown option it prints no help."""
    ran = run_program(*command[1:], "--help", program=Path(command[0]).name)
    return ran.returncode == 0 and "Usage:" in ran.stdout


@pytest.mark.long
def test_unknown_option_is_detected() -> None:
    assert not is_understood(["dagster-daemon", "run", "--workspacee", "workspace.yaml"])


@pytest.mark.parametrize("name", SERVICES)
def test_service_commands_exist(name: str) -> None:
    assert is_understood(SERVICES[name]["command"])


def test_services_share_the_data_folder_and_the_code_server() -> None:
    dockerfile = (DEPLOY / "docker" / "Dockerfile").read_text()
    assert "SESSION_PIPELINE_DATA=/data DAGSTER_HOME=/data/dagster_home" in dockerfile
    for service in SERVICES.values():
        [volume] = service["volumes"]
        assert volume.endswith(":/data")
        assert (DEPLOY / "docker" / service["build"]["context"] / service["build"]["dockerfile"]).resolve().is_file()
    workspace = yaml.safe_load((DEPLOY / "docker" / "workspace.yaml").read_text())
    server = workspace["load_from"][0]["grpc_server"]
    assert server["host"] in SERVICES
    assert str(server["port"]) in SERVICES[server["host"]]["command"]
    assert SERVICES["webserver"]["ports"] == ["127.0.0.1:3000:3000"]


def test_commands_of_compose_are_those_of_operations() -> None:
    """Without the data folder of the second command, the first would create a folder elsewhere."""
    header = (DEPLOY / "docker" / "compose.yaml").read_text().partition("\nname:")[0]
    commands = re.findall(r"^#   (.+)$", header, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["export", "docker", "docker"]
    assert "\n".join(commands) in (ROOT / "docs" / "operations.md").read_text()


def test_image_is_built_from_existing_files() -> None:
    lines = re.findall(r"^COPY (.+)$", (DEPLOY / "docker" / "Dockerfile").read_text(), re.MULTILINE)
    sources = [source for line in lines for source in line.split()[:-1]]
    assert len(sources) > 4
    assert [source for source in sources if not (ROOT / source).exists()] == []


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.long if "webserver" in path.name else [], id=path.name) for path in SYSTEMD],
)
def test_systemd_units_name_existing_commands(path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(path.read_text())
    assert unit["Unit"]["Description"]
    if path.suffix == ".timer":
        assert path.with_suffix(".service") in SYSTEMD
        assert unit["Timer"]["Persistent"] == "true"
        return
    assert is_understood(shlex.split(unit["Service"]["ExecStart"]))
    assert "SESSION_PIPELINE_DATA=" in unit["Service"]["Environment"]


@pytest.mark.long
def test_webserver_finds_the_code_server(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    environment = {**os.environ, **home.prepare(deployment.folder)}
    with reserved_port() as code, reserved_port() as web:
        location = loaded_location(code, web, environment, tmp_path)
    assert (location["name"], location["loadStatus"]) == ("session_pipeline.definitions", "LOADED")
    jobs = {job["name"] for job in location["locationOrLoadError"]["repositories"][0]["jobs"]}
    assert {"ingest", "build"} <= jobs


def loaded_location(code: int, web: int, environment: dict[str, str], tmp_path: Path) -> Any:
    """Start both services at these ports, and return the code location that the webserver shows."""
    workspace = tmp_path / "workspace.yaml"
    text = (DEPLOY / "docker" / "workspace.yaml").read_text()
    workspace.write_text(text.replace("host: code", "host: 127.0.0.1").replace("port: 4000", f"port: {code}"))
    on_code = {"4000": str(code), "0.0.0.0": "127.0.0.1"}
    on_web = {"3000": str(web), "0.0.0.0": "127.0.0.1", "workspace.yaml": str(workspace)}
    serve = [on_code.get(part, part) for part in SERVICES["code"]["command"]]
    healthy = [on_code.get(part, part) for part in SERVICES["code"]["healthcheck"]["test"][1:]]
    show = [on_web.get(part, part) for part in SERVICES["webserver"]["command"]]

    def is_healthy() -> bool:
        return subprocess.run(here(healthy), env=environment, capture_output=True, timeout=300).returncode == 0

    def locations() -> Any:
        query = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError {"
        query += " ... on RepositoryLocation { repositories { jobs { name } } } } } } } }"
        found = answer(f"http://127.0.0.1:{web}/graphql", {"query": query})
        return found and found["data"]["workspaceOrError"]["locationEntries"]

    logs = tmp_path / "code.log", tmp_path / "web.log"
    with server(here(serve), environment, logs[0], ROOT) as code_server:
        wait_for(is_healthy, code_server, logs[0])
        with server(here(show), environment, logs[1], ROOT) as webserver:
            [location] = wait_for(locations, webserver, logs[1])
    return location
