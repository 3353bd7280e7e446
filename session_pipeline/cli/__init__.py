"""The command line: `session-pipeline COMMAND`. Each file holds a group of commands.

Asks the other modules and shows what they answer. Decides nothing that they can decide.
"""

import os
import sys
from io import TextIOWrapper
from typing import NoReturn

from session_pipeline import interrupts
from session_pipeline.cli import answers, folders, listing, planned, query, runs, status, timeline, trying, verify
from session_pipeline.cli.app import FAILED, app
from session_pipeline.cli.screen import err

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
    listing.sessions,
    timeline.show,
    answers.report,
    answers.export,
    runs.dev,
):
    app.command(_command.__name__.rstrip("_"))(_command)  # try is a word of Python


def main() -> NoReturn:
    """Run the command that the arguments name, and exit."""
    interrupts.raise_interrupts()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a character that the terminal's encoding lacks is printed as \\xe9
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="session-pipeline")
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        err.print(f"Error: {interrupts.SENTENCE}", style="bold red")
        code = interrupts.EXIT_CODE
    code = _flushed(code)
    interrupts.end_silently()
    sys.exit(code)


def _flushed(code: str | int | None) -> str | int | None:
    """Write what is left for standard output; returns the exit code."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try again at its end, and print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            err.print(f"Error: standard output: {error.strerror}; fix that and try again", style="bold red")
        return code or FAILED
    return code


__all__ = ["app", "main"]
