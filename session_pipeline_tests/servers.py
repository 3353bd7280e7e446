"""Starts servers for tests: a port of their own, a wait until they answer, and an end that leaves no process behind."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar
from urllib.request import Request, urlopen

import pytest

# Both limits are only reached when something hangs, also on a slow and busy machine.
PATIENCE = 300.0
END_SECONDS = 120.0
T = TypeVar("T")


@contextmanager
def reserved_port() -> Iterator[int]:
    """Yield a port of this machine that no other program gets meanwhile.

    It stays bound, but not listened to. Servers bind with SO_REUSEADDR, so the server that is given it can listen.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@contextmanager
def server(
    command: Sequence[str | Path], environment: Mapping[str, str], log: Path, cwd: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server in its own group of processes; at the end the whole group is gone."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        try:
            process.send_signal(signal.SIGTERM)
            process.wait(END_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answer(address: str, question: Mapping[str, Any] | None = None) -> Any:
    """Return the JSON that a server answers; None if it does not answer yet. A question is sent as GraphQL."""
    body = None if question is None else json.dumps(question).encode()
    try:
        with urlopen(Request(address, body, {"content-type": "application/json"}), timeout=60) as answered:
            return json.load(answered)
    except (OSError, HTTPException, ValueError):  # refused, cut off, or not JSON
        return None


def wait_for(asked: Callable[[], T | None], process: "subprocess.Popen[bytes]", log: Path) -> T:
    """Ask until there is an answer, and return it. The test fails if the server ends, or takes too long."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline and process.poll() is None:
        if found := asked():
            return found
        sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text()}")
