"""Measures processes: seconds, CPU seconds and peak memory, and medians of several rounds."""

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

from session_pipeline_tests.documents import ROOT

MOST_SECONDS = 900.0  # a process that takes longer is killed and counts as failed

# Starts the command and writes the largest memory of it and its children to a file descriptor. A process inherits the
# largest memory of the process that starts it, so a large measuring process must not start the command itself.
_STARTER = """
import os, resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
os.write(int(sys.argv[1]), str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss).encode())
sys.exit(code if code >= 0 else 128 - code)
"""


@dataclass
class Measured:
    """What the rounds of one contender took.

    Attributes:
        seconds: The seconds of each round.
        cpu_seconds: User and system seconds of the process and its children.
        memory: The largest memory of the process, or of one of its children, in bytes.
        sessions: The number of sessions that it found; None if it counts none.
        note: Why it was skipped or failed.
    """

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    sessions: int | None = None
    note: str = ""

    def typical(self, what: str) -> float | None:
        """Return the median of a figure; None without a round."""
        return median(getattr(self, what)) if getattr(self, what) else None


class FailedError(Exception):
    """A measured process failed."""


def measure(command: Sequence[object], measured: Measured) -> str:
    """Run a command in a process of its own, add what it took, and return what it printed.

    Raises:
        FailedError: It failed or took too long.
    """
    os.sync()  # what was written before must not be written to the disk meanwhile
    # Without it, Python compiles every module at each start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    readable, writable = os.pipe()
    started = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _STARTER, str(writable), *map(str, command)],
        pass_fds=[writable],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    os.close(writable)
    timer = threading.Timer(MOST_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    errors: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))  # type: ignore[union-attr]
    reader.start()
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = perf_counter() - started
    timer.cancel()
    reader.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    with open(readable) as pipe:
        memory = pipe.read()
    if process.returncode:
        lines = "".join(errors).strip().splitlines() or [f"exit code {process.returncode}"]
        raise FailedError("killed" if not memory or process.returncode > 128 else lines[-1][:200])
    measured.seconds.append(seconds)
    measured.cpu_seconds.append(used.ru_utime + used.ru_stime)
    measured.memory.append(int(memory) * 1024)
    return printed


class Others:
    """Measures how much other programs use the machine from now on."""

    def __init__(self) -> None:
        self._started, self._busy, self._own = perf_counter(), _busy_seconds(), _own_seconds()

    def cores(self) -> float:
        """Return the number of cores that other programs used since then, on average."""
        seconds = perf_counter() - self._started
        return max(0.0, (_busy_seconds() - self._busy - (_own_seconds() - self._own)) / seconds)


def _busy_seconds() -> float:
    """Return the seconds in which any core was used, or was taken by the host of a virtual machine."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _waiting, *interrupted, stolen = map(int, file.readline().split()[1:9])
    return (user + nice + system + sum(interrupted) + stolen) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def alternate(
    contenders: Mapping[str, Callable[[Measured], object]], rounds: int, most_seconds: float
) -> dict[str, Measured]:
    """Measure contenders in turn, so that what disturbs the machine for a while disturbs all of them.

    Args:
        contenders: Each one does a round and adds what it took.
        rounds: The most rounds.
        most_seconds: No round begins after so many seconds.
    """
    found = {name: Measured() for name in contenders}
    started = perf_counter()
    for number in range(rounds):
        if number and perf_counter() - started > most_seconds:
            break
        for name, run in contenders.items():
            measured = found[name]
            if measured.note:
                continue
            try:
                run(measured)
                took = f"{measured.seconds[-1]:.1f} s, {measured.cpu_seconds[-1]:.1f} CPU s"
            except FailedError as error:
                took = measured.note = f"failed: {error}"
            print(f"  round {number + 1}: {name}: {took}", file=sys.stderr, flush=True)
    return found
