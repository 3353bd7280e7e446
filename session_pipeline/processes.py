"""Names processes, and says whether the process of a name is alive.

A name is unique among all machines and containers that share a data folder. Runs carry it as a tag (defs/dead_runs.py),
and temporary files in their names (store/files.py).
"""

import os
from functools import cache
from hashlib import sha256
from pathlib import Path

FIELD_COUNT = 5  # of a name


def own_name() -> str:
    """Return the name of this process."""
    return _name_while(os.getpid())


@cache
def _name_while(pid: int) -> str:
    """Return the name of this process while it has an id: a fork has another one."""
    return name_of(pid)


def name_of(pid: int) -> str:
    """Return the name of a process of this machine: host, boot, PID namespace, PID, start time of the process.

    The host is a short hash and the boot the start of its id, so that a name fits into the name of a file.

    Raises:
        OSError: There is no such process, or it is hidden from this one.
    """
    stat = Path(f"/proc/{pid}/stat").read_bytes()  # has the program's name, which need not be UTF-8
    start = stat.rpartition(b")")[2].split()[19].decode()
    host = sha256(os.uname().nodename.encode()).hexdigest()[:8]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    space = os.readlink("/proc/self/ns/pid").removeprefix("pid:[").removesuffix("]")
    return "/".join((host, boot, space, str(pid), start))


def is_alive(name: str) -> bool | None:
    """Return whether the process of a name is alive.

    None if this process cannot know that: the other one is on another host, in another PID namespace, such as that of a
    container, or hidden from this one; or the text is no name.

    Machines that share a data folder must have different host names. Of two with the same name, each takes the
    processes of the other for those before its own last boot, which are dead.
    """
    fields = name.split("/")
    if len(fields) != FIELD_COUNT:
        return None
    host, boot, space, pid, _ = fields
    own_host, own_boot, own_space, _, _ = own_name().split("/")
    if host != own_host:
        return None
    if boot != own_boot:
        return False
    if space != own_space:
        return None
    if not has_process(int(pid)):
        return False
    try:
        return name == name_of(int(pid))
    except OSError:  # it ended just now, or the system hides the processes of other users
        return None if has_process(int(pid)) else False


def has_process(pid: int) -> bool:
    """Return whether this PID namespace has a process with an id."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # the process of another user
        pass
    return True
