"""Names of processes that are dead or elsewhere, for tests of what they left behind."""

import subprocess
import sys

from session_pipeline import processes


def dead() -> str:
    """The name of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = processes.name_of(process.pid)
    process.communicate(b"\n")
    return name


def before_the_last_boot() -> str:
    """The name that this process would have had before its machine started."""
    host, _, space, pid, start = processes.own_name().split("/")
    return "/".join((host, "00000000", space, pid, start))


def in_another_container() -> str:
    """The name of a process of this machine whose id says nothing here."""
    host, boot, _, _, start = dead().split("/")
    return "/".join((host, boot, "1", "1", start))


def on_another_machine() -> str:
    """The name of a process of another machine."""
    return "/".join(("00000000", *dead().split("/")[1:]))
