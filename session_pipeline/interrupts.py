"""Handles Ctrl-C: a command ends with one sentence and exit code 130, whatever it is doing.

This module is loaded first, so it avoids slow imports, even the module `signal`. Each command does its own cleanup.
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
# The errors of an interrupt, by name, because Dagster is slow to load: while a job runs, its handler raises its own.
ERRORS = ("KeyboardInterrupt", "DagsterExecutionInterruptedError")
SENTENCE = "interrupted; what is built is kept, and the next run continues from there"

_has_happened = False


def has_happened() -> bool:
    """Whether Ctrl-C was pressed since the command began. The interrupted code can turn it into any other error."""
    return _has_happened


def end_at_once() -> None:
    """Make Ctrl-C end the process at once. For use while modules load.

    Nothing is open at that time, and many modules would swallow a KeyboardInterrupt while they are imported.
    """
    _handle_with(_end)


def raise_interrupts(*, even_if_ignored: bool = False) -> None:
    """Make Ctrl-C raise KeyboardInterrupt from now on, so that a command can clean up.

    Args:
        even_if_ignored: Whether to do so even if the process was started with SIGINT ignored, for example by a shell
            script with `&`.
    """
    _handle_with(interrupt, even_if_ignored)
    sys.unraisablehook = _raise_again


def end_silently() -> None:
    """Restore the default action of Ctrl-C. For use after a command has ended, when nothing is left to report."""
    _handle_with(_signal.SIG_DFL)


def _handle_with(handler: "Callable[[int, FrameType | None], None] | int", even_if_ignored: bool = False) -> None:
    if even_if_ignored or _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, handler)


def _end(_number: int, _frame: "FrameType | None") -> None:
    os.write(2, f"Error: {SENTENCE}\n".encode())
    os._exit(EXIT_CODE)


def interrupt(_number: int, _frame: "FrameType | None") -> None:
    """Handle a signal: record it, and raise KeyboardInterrupt."""
    global _has_happened
    _has_happened = True
    silence_pools()
    raise KeyboardInterrupt


def silence_pools() -> None:
    """Keep SQLAlchemy from logging the traceback of an interrupt that arrives while it returns or closes a connection.

    For `interrupt`, and for jobs of Dagster, which has a handler of its own while they run.
    """
    if logging := sys.modules.get("logging"):
        pool = logging.getLogger("sqlalchemy.pool")
        pool.addHandler(logging.NullHandler())
        pool.propagate = False


def _send_soon() -> None:
    time.sleep(0.01)
    os.kill(os.getpid(), _signal.SIGINT)


def _raise_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Send an interrupt again if it arrived in a finalizer; Python would only print it and go on."""
    if unraisable.exc_type.__name__ in ERRORS:
        _thread.start_new_thread(_send_soon, ())  # raised here, it would be ignored again
    else:
        sys.__unraisablehook__(unraisable)
