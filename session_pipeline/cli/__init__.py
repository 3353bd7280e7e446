"""The command line, `session-pipeline COMMAND`. Each module of the package contains a group of commands.

The commands call the other packages and print the results. What to build is decided in `build`, how a run works is
defined in `run`, and what the tables contain is defined in `tables`.
"""

import atexit
import os
import sys
from contextlib import suppress
from importlib.abc import MetaPathFinder
from io import TextIOWrapper
from typing import NoReturn

from session_pipeline import interrupts
from session_pipeline.cli.app import FAILED, app
from session_pipeline.cli.commands import COMMANDS
from session_pipeline.cli.screen import stderr
from session_pipeline.cli.standard_output import NAME, StandardOutput, name_errors


class _WithoutPandas(MetaPathFinder):
    """Hides pandas from this process, unless it uses PySpark, which needs it.

    Arrow would load it with the first list that it gets, and no command uses it.
    """

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Raise an error for pandas, as if it was not installed; leave all other modules to the next finder."""
        if fullname == "pandas" and "pyspark" not in sys.modules:
            raise ModuleNotFoundError("commands do without pandas")


def main() -> NoReturn:
    """Run the command given by the arguments, and exit."""
    if called := COMMANDS.get("".join(sys.argv[1:2])):
        called.load()  # while Ctrl-C still ends the process: a KeyboardInterrupt can get lost in an import
    sys.meta_path.insert(0, _WithoutPandas())
    interrupts.raise_interrupts()
    name_errors()
    if isinstance(sys.stderr, TextIOWrapper):  # characters outside the terminal's encoding are printed as \\xe9
        sys.stderr.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="session-pipeline")
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        stderr.print(f"Error: {interrupts.SENTENCE}", style="bold red")
        code = interrupts.EXIT_CODE
    code = _flushed(code)
    interrupts.end_silently()
    _end(code if isinstance(code, int) else FAILED if code else 0)


def _flushed(code: str | int | None) -> str | int | None:
    """Flush standard output and return the exit code."""
    is_reported = isinstance(sys.stdout, StandardOutput) and sys.stdout.has_failed
    try:
        sys.stdout.flush()
    except OSError as error:
        # Otherwise Python tries again at exit and prints a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError) and not is_reported:
            stderr.print(f"Error: {NAME}: {error.strerror}; fix that and try again", style="bold red")
        return code or FAILED
    return code


def _end(code: int) -> NoReturn:
    """End the process without freeing every object, which takes a second once Dagster is loaded. Files are closed."""
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


__all__ = ["app", "main"]
