"""What can go wrong that a person can mend, each said in a sentence or two that end with what to do.

Knows how to say it. Does not know where it happens, nor how the command line or Dagster shows it.
"""

from collections.abc import Sequence


class SessionPipelineError(Exception):
    """The base of every error that is meant for a person; its text is all they need."""


class SettingsError(SessionPipelineError):
    """A setting that cannot be used.

    Attributes:
        key: Path of the key, as `funnels[0].steps[1].where`.
        problem: What is wrong with it, as the rest of a sentence that begins with the key.
        hint: What to write instead.
    """

    def __init__(self, key: str, problem: str, hint: str) -> None:
        super().__init__(f"{key} {problem}; {hint}")
        self.key = key
        self.problem = problem
        self.hint = hint


class SettingsFileError(SettingsError):
    """A settings file with settings that cannot be used: all of them, each on a line."""

    def __init__(self, file: str, errors: Sequence[SettingsError]) -> None:
        count = "a setting" if len(errors) == 1 else f"{len(errors)} settings"
        lines = "\n  ".join(["mend what is named here:", *map(str, errors)])
        super().__init__(file, f"has {count} that cannot be used", lines)
        self.errors = tuple(errors)


class CorruptFileError(SessionPipelineError):
    """A delivered file that does not hold together: cut short, damaged, or not what its name says."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the file is damaged ({reason}); deliver it again")
        self.reason = reason


class RefusedFileError(SessionPipelineError):
    """A delivered file that is whole, but is not taken as it is."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the file is refused ({reason}); mend that and deliver it again")
        self.reason = reason


class StillWrittenError(RefusedFileError):
    """A delivered file that changes while it is looked at; it is left until it has settled."""

    def __init__(self) -> None:
        super().__init__("it is still being written")


class StoreError(SessionPipelineError):
    """The store is not as it should be."""


class StoreHeldError(StoreError):
    """Another process writes the store."""


class DiskFullError(SessionPipelineError):
    """A file that could not be written for want of room."""

    def __init__(self, file: str, free_bytes: int | None) -> None:
        free = "" if free_bytes is None else f" ({free_bytes / 1e6:,.1f} MB are free)"
        super().__init__(
            f"there is no room to write {file}: its disk is full, or a limit on the size of files is reached{free};"
            " make room and run again: what is built is kept, and readers have what they had"
        )
        self.file = file


class MemoryTooSmallError(SessionPipelineError):
    """Work that the memory limit leaves no room for, not even by spilling."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"memory is too small ({reason}); raise [resources] memory_limit in settings.toml, or set threads lower,"
            " and run again"
        )


class ModelError(SessionPipelineError):
    """A model could not be read, or failed while it ran."""


class WrongUseError(SessionPipelineError):
    """A command or function that was called with what it cannot take; the command line exits with 2."""
