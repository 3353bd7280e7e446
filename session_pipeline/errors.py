"""The errors that a user can fix. Each message states what is wrong and where, then how to fix it.

The errors are raised where the problem is found. cli/ and defs/ show them to the user.
"""

from collections.abc import Sequence
from typing import Any


class SessionPipelineError(Exception):
    """The base class of all errors that are shown to users; the message needs no traceback to be understood."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how the error is pickled: with its message and attributes as they are.

        By default, its class would be called with the message, but some classes take other arguments.
        """
        return Exception.__new__, (type(self), *self.args), self.__dict__


class SettingsError(SessionPipelineError):
    """A setting is invalid.

    Attributes:
        key: Path of the key, such as `funnels[0].steps[1].where`.
        problem: What is wrong with it; completes a sentence that begins with the key.
        hint: What to write instead.
    """

    def __init__(self, key: str, problem: str, hint: str) -> None:
        super().__init__(f"{key} {problem}; {hint}")
        self.key = key
        self.problem = problem
        self.hint = hint


class SettingsFileError(SettingsError):
    """A settings file has invalid settings; the message lists all of them, one per line."""

    def __init__(self, file: str, errors: Sequence[SettingsError]) -> None:
        count = "an invalid setting" if len(errors) == 1 else f"{len(errors)} invalid settings"
        lines = "\n  ".join(["fix every setting named below:", *map(str, errors)])
        super().__init__(file, f"has {count}", lines)
        self.errors = tuple(errors)


class CorruptFileError(SessionPipelineError):
    """A delivered file cannot be read: it is truncated, damaged, or its content does not match its name."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the file cannot be read ({reason})")
        self.reason = reason


class UnreadableFileError(CorruptFileError):
    """The disk cannot read a delivered file now. It may be able to read it later, so what was accepted stays."""

    REASON = "Input/output error of the disk"

    def __init__(self) -> None:
        super().__init__(self.REASON)


class RefusedFileError(SessionPipelineError):
    """A delivered file is intact but is not accepted in its present form. The reason also says what to do."""

    def __init__(self, reason: str, problem: str = "the file is refused") -> None:
        super().__init__(f"{problem} ({reason})")
        self.reason = reason


class StillWrittenError(RefusedFileError):
    """A delivered file changes while it is read; it is left for a later run."""

    def __init__(self) -> None:
        SessionPipelineError.__init__(self, "the file is still being written; run again when it is complete")
        self.reason = "it is still being written"


class StoreError(SessionPipelineError):
    """The store, or a file that is published from it, cannot be used or written."""


class StoreHeldError(StoreError):
    """Another process is writing the store."""


class DiskFullError(SessionPipelineError):
    """A file could not be written because the disk is full or a size limit is reached."""

    def __init__(self, file: str, free_bytes: int | None) -> None:
        free = "" if free_bytes is None else f" (now {free_bytes / 1e6:,.1f} MB are free)"
        super().__init__(
            f"cannot write {file}: the disk is full, or a file size limit is reached{free};"
            " free some space and run again: what is built is kept, and the last publication stays in place"
        )
        self.file = file


class MemoryTooSmallError(SessionPipelineError):
    """Work does not fit into the memory limit, even when it spills to disk.

    Args:
        reason: What the engine says about it.
        fix: Which setting to change; None names the limit of DuckDB.
    """

    def __init__(self, reason: str, fix: str | None = None) -> None:
        fix = fix or "raise [resources] memory_limit in settings.toml, or lower threads,"
        super().__init__(f"not enough memory ({reason}); {fix} and run again")


class OpenFilesError(SessionPipelineError):
    """A file could not be opened because the process, or the machine, has too many open files."""

    def __init__(self, file: str) -> None:
        super().__init__(
            f"cannot open {file}: too many files are open; raise the limit (`ulimit -n 1024`, or LimitNOFILE= in a unit"
            " of systemd), and run again"
        )


class HistoryError(SessionPipelineError):
    """The history of runs cannot be read or written. What is built is not affected."""


class DamagedHistoryError(HistoryError):
    """A database of the run history is damaged; the message says what to delete."""


class OtherHistoryError(HistoryError):
    """DAGSTER_HOME is that of another data folder."""


class ModelError(SessionPipelineError):
    """A model could not be read, or failed while it was running."""


class WrongUseError(SessionPipelineError):
    """A command or function was called with invalid arguments; the command line exits with 2."""


class MissingExtraError(SessionPipelineError):
    """A setting needs a package or a program that is not installed."""


class EngineError(SessionPipelineError):
    """The engine that the settings choose cannot be used now."""
