"""Commands on the data folder of a small shop, for tests.

`run` runs through Dagster in its own process, as for users. The other commands are called in this process.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from session_pipeline.cli import app
from session_pipeline_tests.commands import run_program
from session_pipeline_tests.deployment import WITHOUT_PRIVILEGES

EVENTS: list[dict[str, Any]] = [
    {"event_id": "1", "visitor_id": "ann", "event_time": "2024-03-05T23:50:00Z", "event_name": "page_view",
     "page_url": "https://shop.example/product/lamp?utm_source=news"},
    {"event_id": "2", "visitor_id": "ann", "event_time": "2024-03-05T23:55:00Z", "event_name": "add_to_cart"},
    {"event_id": "2", "visitor_id": "ann", "event_time": "2024-03-05T23:55:00Z", "event_name": "add_to_cart"},
    {"event_id": "3", "visitor_id": "ann", "event_time": "2024-03-06T00:05:00Z", "event_name": "begin_checkout"},
    {"event_id": "4", "visitor_id": "ann", "event_time": "2024-03-06T00:06:00Z", "event_name": "purchase",
     "value": 49.9, "currency": "EUR"},
    {"event_id": "5", "visitor_id": "bob", "event_time": "2024-03-06T09:00:00Z", "event_name": "page_view",
     "page_url": "https://shop.example/"},
    {"event_id": "6", "visitor_id": "bob", "event_time": "2024-03-06T12:00:00Z", "event_name": "page_view",
     "page_url": "https://shop.example/"},
]  # fmt: skip


def call(*arguments: str | Path) -> tuple[int, str, str]:
    """Run a command and return its exit code, standard output and standard error."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command `run` in its own process."""
    return run_program("run", "--data", data, *arguments)


def deliver(data: Path, name: str, *lines: dict[str, Any] | str) -> None:
    path = data / "raw" / "web" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))


def deliver_one_more_line(folder: Path) -> None:
    new = next((folder / "raw").rglob("*.jsonl")).with_name("new.jsonl")
    new.write_text('{"visitor_id": "new", "event_time": "2024-03-04T12:00:00Z", "event_name": "page_view"}\n')


def with_modes(modes: Mapping[Path, int], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user without privileges, while paths have other modes."""
    before = {path: path.stat().st_mode for path in modes}
    for path, mode in modes.items():
        path.chmod(mode)
    try:
        command = [*WITHOUT_PRIVILEGES, sys.executable, "-m", "session_pipeline", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    finally:
        for path, mode in before.items():
            path.chmod(mode)


@dataclass(frozen=True)
class FirstRun:
    data: Path
    plan_before: str
    stdout: str
    stderr: str


def run_first(data: Path) -> FirstRun:
    """Make a data folder, deliver the events and a line of invalid JSON, and run."""
    assert call("init", data)[0] == 0
    deliver(data, "events.jsonl", *EVENTS, "{broken\n")
    plan = call("plan", "--data", data)[1]
    result = run(data)
    assert result.returncode == 0, result.stderr
    return FirstRun(data, plan, result.stdout, result.stderr)
