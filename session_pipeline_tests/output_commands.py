"""A published data folder whose values contain control codes and a formula, and commands on it, for tests of output."""

import sys
from pathlib import Path

from typer.testing import CliRunner

from session_pipeline.cli import app
from session_pipeline_tests.deployment import Deployment

PROGRAM = [sys.executable, "-m", "session_pipeline"]
ESCAPE = "\x1b]0;owned\x07\x9b31m"
EVENTS = [
    {"visitor_id": "ann", "event_time": "2024-03-05T09:00:00Z", "event_name": "page_view"},
    {"visitor_id": "ann", "event_time": "2024-03-05T09:05:00Z", "event_name": "purchase", "value": -3,
     "currency": f"E{ESCAPE}", "element": "=1+1"},
]  # fmt: skip


def published_in(path: Path) -> Path:
    """Create a data folder, deliver EVENTS, run once, and return the folder."""
    deployment = Deployment(path)
    deployment.deliver("events", EVENTS)
    deployment.run()
    return deployment.folder.path


def call(*arguments: str | Path, stdin: str | None = None) -> tuple[int, str, str]:
    """Run a command and return its exit code, standard output and standard error."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    return result.exit_code, result.stdout, result.stderr
