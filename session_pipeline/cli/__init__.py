"""The command line: `session-pipeline COMMAND`. Each file holds a group of commands.

Asks the other modules and shows what they answer. Decides nothing that they can decide.
"""

from session_pipeline.cli import answers, folders, planned, query, runs, status, timeline, trying, verify
from session_pipeline.cli.app import app

# In the order that a newcomer needs them.
for _command in (
    folders.init,
    folders.sample,
    trying.try_,
    folders.check,
    runs.run,
    planned.plan,
    status.status,
    verify.verify,
    query.query,
    timeline.show,
    answers.report,
    answers.export,
    runs.dev,
):
    app.command(_command.__name__.rstrip("_"))(_command)  # try is a word of Python


def main() -> None:
    """Run the command that the arguments name, and exit."""
    app(prog_name="session-pipeline")


__all__ = ["app", "main"]
