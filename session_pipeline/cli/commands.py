"""The commands: names, modules, and one line of help for each. A module is imported when its command is called.

The modules import DuckDB, pyarrow and more, which takes longer than many commands themselves.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Command:
    """A command of the command line.

    Attributes:
        place: Its module in this package, and its function in that module.
        help: The first line of the function's docstring; a test compares them.
    """

    place: str
    help: str

    def load(self) -> Any:
        """Import the module and return the function."""
        module, _, function = self.place.partition(".")
        return getattr(import_module(f"session_pipeline.cli.{module}"), function)


# In the order in which a new user needs them.
COMMANDS = {
    "init": Command("folders.init", "Create a data folder: commented settings, raw/, dagster_home/."),
    "sample": Command("folders.sample", "Write synthetic events of a shop, and their expected results."),
    "try": Command("trying.try_", "Show how a file would be ingested; writes nothing."),
    "check": Command("folders.check", "Validate the settings, and find rules that match no data."),
    "run": Command("runs.run", "Ingest delivered files, build stale days and publish."),
    "plan": Command("planned.plan", "Show what `run` would build, and why; builds nothing."),
    "status": Command("status.status", "Show what is built, how fresh it is, problems and last runs."),
    "verify": Command("verify.verify", "Check every file of the store, what is published, and the number of lines."),
    "query": Command("query.query", "Query the warehouse with SQL, read-only."),
    "sessions": Command("listing.sessions", "List sessions to choose from for `show`, latest first."),
    "show": Command("timeline.show", "Show one session as a timeline, or list the sessions of a visitor."),
    "report": Command("exporting.report", "Write the HTML report, and print its path."),
    "export": Command("exporting.export", "Write the warehouse as one self-contained file."),
    "erase": Command("erasing.erase", "Erase a visitor or a user, also from files that arrive later."),
    "dev": Command("dev.dev", "Start the Dagster UI on 127.0.0.1."),
}
