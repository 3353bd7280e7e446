"""Runs session-pipeline or another program in a process of its own, as a user's shell does; returns what it printed.

The process is forked from one that has loaded the program: loading Dagster takes longer than a small run. Tests of how
the program starts, of signals and of terminals start Python themselves.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from session_pipeline_tests.crashes.killed_runs import PROCESSES

# Capabilities of Linux, with which root ignores the permissions of files: to read and write them, and to read them.
OF_ALL_FILES = (1, 2)
_DROP_FROM_CHILDREN = 24  # of prctl: also programs that the process starts do not have the capability
_VERSION_OF_CAPABILITIES = 0x20080522


def run_program(
    *arguments: str | Path, program: str = "session-pipeline", respects_modes: bool = False, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a program that is installed with Python, and wait for its end.

    Args:
        arguments: The arguments.
        program: The program.
        respects_modes: Whether the process respects the permissions of files, also as root.
        variables: Environment variables that the process has in addition to those of this process.
    """
    [ended] = run_at_once([arguments], program=program, respects_modes=respects_modes, **variables)
    return ended


def run_at_once(
    arguments: Iterable[Sequence[str | Path]],
    *,
    program: str = "session-pipeline",
    seconds: float | None = None,
    respects_modes: bool = False,
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
            printed = str(out), str(err)
            child = PROCESSES.Process(
                target=_become, args=(command, {**os.environ, **variables}, os.getcwd(), printed, respects_modes)
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


def _become(
    command: Sequence[str], environment: Mapping[str, str], folder: str, printed: Sequence[str], respects_modes: bool
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in enumerate(printed, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pandas"]:
        del sys.modules[name]  # commands do without pandas, which other children of the same process use
    if respects_modes:
        _drop_capabilities()
    sys.argv[:] = command
    [program] = entry_points(group="console_scripts", name=command[0])
    sys.exit(program.load()())


def _drop_capabilities() -> None:
    """Let this process and the programs that it starts respect the permissions of files, also as root."""
    system = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(_VERSION_OF_CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
    assert system.capget(header, sets) == 0
    for capability in OF_ALL_FILES:
        system.prctl(_DROP_FROM_CHILDREN, capability)  # who is not root has none
        for number in range(2):  # those in effect, and those that are permitted
            sets[number] &= ~(1 << capability)
    assert system.capset(header, sets) == 0
