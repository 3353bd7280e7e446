"""Ctrl-C: ends a command with one sentence and exit code 130, wherever it arrives.

Loaded before everything else, so that it imports nothing that takes time (the module `signal` does). What a command
cleans up is in the command.
"""

import _signal  # type: ignore[import-not-found]
import _thread
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

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
    _handle_with(_signal.SIG_DFL)


def _handle_with(handler: "Callable[[int, FrameType | None], None] | int", even_if_ignored: bool = False) -> None:
    if even_if_ignored or _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, handler)


def _end(_number: int, _frame: "FrameType | None") -> None:
    os.write(2, f"Error: {SENTENCE}\n".encode())
    os._exit(EXIT_CODE)


def _raise(_number: int, _frame: "FrameType | None") -> None:
    global _has_happened
    _has_happened = True
    if logging := sys.modules.get("logging"):
        # SQLAlchemy logs the traceback of an interrupt that meets it while it returns a connection.
        pool = logging.getLogger("sqlalchemy.pool")
        pool.addHandler(logging.NullHandler())
        pool.propagate = False
    raise KeyboardInterrupt


def _send_soon() -> None:
    time.sleep(0.01)
    os.kill(os.getpid(), _signal.SIGINT)


def _raise_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """An interrupt that arrives in a finalizer would be printed and lost."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        _thread.start_new_thread(_send_soon, ())  # from here, it would be ignored once more
    else:
        sys.__unraisablehook__(unraisable)
