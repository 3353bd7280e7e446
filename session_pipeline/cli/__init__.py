"""The command line: `session-pipeline COMMAND`. Each file holds a group of commands.

Asks the other modules and shows what they answer. Decides nothing that they can decide.
"""

from session_pipeline.cli import answers, folders, runs, state, timeline
from session_pipeline.cli.app import app

# In the order that a newcomer needs them.
for _command in (
    folders.init,
    folders.sample,
    folders.check,
    runs.run,
    runs.plan,
    state.status,
    state.verify,
    answers.query,
    timeline.show,
    answers.report,
    answers.export,
    runs.dev,
):
    app.command()(_command)


def main() -> None:
    """Run the command that the arguments name, and exit."""
    app(prog_name="session-pipeline")


__all__ = ["app", "main"]
