"""Runs session-pipeline or another program in a process of its own, as a user's shell does; returns what it printed.

The process is forked from one that has loaded the program: loading Dagster takes longer than a small run. Tests of how
the program starts, of signals and of terminals start Python themselves.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from session_pipeline_tests.crashes.killed_runs import PROCESSES


def run_program(
    *arguments: str | Path, program: str = "session-pipeline", **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a program that is installed with Python, and wait for its end.

    Args:
        arguments: The arguments.
        program: The program.
        variables: Environment variables that the process has in addition to those of this process.
    """
    [ended] = run_at_once([arguments], program=program, **variables)
    return ended


def run_at_once(
    arguments: Iterable[Sequence[str | Path]],
    *,
    program: str = "session-pipeline",
    seconds: float | None = None,
    **variables: str,
) -> "list[subprocess.CompletedProcess[str]]":
    """Run a program in one process for each list of arguments, all at once, and wait for the end of all.

    With `seconds`, a process that takes longer fails the test, and all are killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        started = []
        for number, given in enumerate(arguments):
            command = [program, *map(str, given)]
            out, err = Path(folder, f"{number}.out"), Path(folder, f"{number}.err")
            child = PROCESSES.Process(
                target=_become, args=(command, {**os.environ, **variables}, os.getcwd(), (str(out), str(err)))
            )
            child.start()
            started.append((command, child, out, err))
        ended = []
        for command, child, out, err in started:
            child.join(seconds)
            if child.exitcode is None:
                for _, each, _, _ in started:
                    each.kill()
                raise AssertionError(f"{command} took longer than {seconds} s: {err.read_text()}")
            ended.append(subprocess.CompletedProcess(command, child.exitcode, out.read_text(), err.read_text()))
        return ended


def _become(command: Sequence[str], environment: Mapping[str, str], folder: str, printed: Sequence[str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in enumerate(printed, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pandas"]:
        del sys.modules[name]  # commands do without pandas, which other children of the same process use
    sys.argv[:] = command
    [program] = entry_points(group="console_scripts", name=command[0])
    sys.exit(program.load()())
