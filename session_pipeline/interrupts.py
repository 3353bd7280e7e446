"""Ctrl-C: ends a command with one sentence and exit code 130, wherever it arrives.

Uses the standard library only, because it is loaded before everything else. What a command cleans up is in the command.
"""

import logging
import os
import signal
import sys
from types import FrameType
from typing import Any

EXIT_CODE = 130
SENTENCE = "stopped; what is built is kept, and the next run goes on from there"

_has_happened = False


def has_happened() -> bool:
    """Whether Ctrl-C was pressed since the command began. It can surface as any error of what it interrupted."""
    return _has_happened


def end_at_once() -> None:
    """While modules load, end the process at once: nothing is open, and much of what loads would swallow an error."""
    _handle_with(_end)


def raise_interrupts(*, even_if_ignored: bool = False) -> None:
    """From now on raise KeyboardInterrupt, so that a command can clean up.

    Args:
        even_if_ignored: Whether to do so in a process that was started with SIGINT ignored, as by a script with &.
    """
    _handle_with(_raise, even_if_ignored)
    sys.unraisablehook = _raise_again


def end_silently() -> None:
    """Once a command has ended, Ctrl-C ends the process as the system does: there is nothing left to report."""
    _handle_with(signal.SIG_DFL)


def _handle_with(handler: Any, even_if_ignored: bool = False) -> None:
    if even_if_ignored or signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def _end(_number: int, _frame: FrameType | None) -> None:
    os.write(2, f"Error: {SENTENCE}\n".encode())
    os._exit(EXIT_CODE)


def _raise(_number: int, _frame: FrameType | None) -> None:
    global _has_happened
    _has_happened = True
    # SQLAlchemy logs the traceback of an interrupt that meets it while it returns a connection.
    pool = logging.getLogger("sqlalchemy.pool")
    pool.addHandler(logging.NullHandler())
    pool.propagate = False
    raise KeyboardInterrupt


def _raise_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """An interrupt that arrives in a finalizer would be printed and lost."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    else:
        sys.__unraisablehook__(unraisable)
