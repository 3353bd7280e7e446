"""The command line, `session-pipeline COMMAND`. Each module of the package contains a group of commands.

The commands call the other packages and print the results. What to build is decided in `build`, how a run works is
defined in `run`, and what the tables contain is defined in `tables`.
"""

import os
import sys
from io import TextIOWrapper
from typing import NoReturn

from session_pipeline import interrupts
from session_pipeline.cli.app import FAILED, app
from session_pipeline.cli.commands import COMMANDS
from session_pipeline.cli.screen import stderr


def main() -> NoReturn:
    """Run the command given by the arguments, and exit."""
    if called := COMMANDS.get("".join(sys.argv[1:2])):
        called.load()  # while Ctrl-C still ends the process: a KeyboardInterrupt can get lost in an import
    interrupts.raise_interrupts()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # characters outside the terminal's encoding are printed as \\xe9
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="session-pipeline")
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        stderr.print(f"Error: {interrupts.SENTENCE}", style="bold red")
        code = interrupts.EXIT_CODE
    code = _flushed(code)
    interrupts.end_silently()
    sys.exit(code)


def _flushed(code: str | int | None) -> str | int | None:
    """Flush standard output and return the exit code."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Otherwise Python tries again at exit and prints a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            stderr.print(f"Error: standard output: {error.strerror}; fix that and try again", style="bold red")
        return code or FAILED
    return code


__all__ = ["app", "main"]
