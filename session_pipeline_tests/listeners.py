"""An alert command that records what it receives, for tests."""

import json
import sys
from pathlib import Path
from typing import Any

LISTENER = """
import sys
from pathlib import Path
with Path(__file__).with_name("heard.jsonl").open("a") as heard:
    heard.write(sys.stdin.read())
sys.exit(int(Path(__file__).with_name("answer").read_text()))
"""


class Listener:
    """A script that records the alerts it receives."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        (folder / "listener.py").write_text(LISTENER)
        self.answers(0)

    @property
    def command(self) -> tuple[str, ...]:
        return (sys.executable, str(self.folder / "listener.py"))

    def answers(self, code: int) -> None:
        (self.folder / "answer").write_text(str(code))

    def heard(self) -> list[dict[str, Any]]:
        """Return the alerts received since the last call."""
        path = self.folder / "heard.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


def received_alerts(listener: Listener) -> list[tuple[str, str]]:
    return [(one["what"], one["about"]) for one in listener.heard()]
