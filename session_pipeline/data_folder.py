"""Finds the data folder and names the files and folders in it.

A data folder contains everything that belongs to one deployment. The names in it never change. This module handles
paths only; each file is read and written by the package that owns it.
"""

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from session_pipeline.errors import WrongUseError

ENVIRONMENT_VARIABLE = "SESSION_PIPELINE_DATA"
DEFAULT = "data"
# DuckDB searches for files with * ? and [, and takes \ for /. The URLs of Dagster's databases end at ? and decode %20.
MISREAD = re.compile(r"[*?\[\\]|%[0-9a-fA-F]{2}")
# SQLite opens files whose path, links followed, has at most 504 bytes. The longest names in a data folder are those of
# Dagster's databases of runs, dagster_home/history/runs/<run id>.db, with 66 bytes.
MOST_BYTES = 504 - 66


def is_same_path(first: Path, second: Path) -> bool:
    """Return whether two paths are the same file or folder, also through links and mounts of it in several places."""
    try:
        return os.path.samefile(first, second)
    except OSError:  # one does not exist
        return first.resolve() == second.resolve()


@dataclass(frozen=True)
class DataFolder:
    """The folder of one deployment: settings, delivered files, store, published files and run history."""

    path: Path

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.path / "settings.toml"

    @property
    def has_settings(self) -> bool:
        """Whether a settings file exists; without one, the packaged settings are used."""
        return os.path.lexists(self.settings)

    @property
    def raw(self) -> Path:
        """Delivered files, in one folder per source. They are never changed."""
        return self.path / "raw"

    @property
    def visitor_key(self) -> Path:
        """The secret key for the visitor ids of sources without ids of their own; created when first needed."""
        return self.path / "visitor_key"

    @property
    def erasures(self) -> Path:
        """The erased visitors and users, as keyed hashes; created by the first erasure. It belongs to visitor_key."""
        return self.path / "erasures.json"

    @property
    def store(self) -> Path:
        """Everything that is built; the source of truth."""
        return self.path / "store"

    @property
    def lake(self) -> Path:
        """Published Parquet files, in Hive-partitioned folders."""
        return self.path / "lake"

    @property
    def warehouse(self) -> Path:
        """The published DuckDB file."""
        return self.path / "warehouse.duckdb"

    @property
    def reports(self) -> Path:
        """HTML reports."""
        return self.path / "reports"

    @property
    def dagster_home(self) -> Path:
        """Dagster's settings and run history."""
        return self.path / "dagster_home"

    def contains(self, path: Path) -> bool:
        """Whether a path is one of these files, or is within one of these folders, possibly through links."""
        target = Path(os.path.realpath(path))
        files = (self.settings, self.visitor_key, self.erasures, self.warehouse)
        folders = (self.raw, self.store, self.lake, self.reports, self.dagster_home)
        return any(target.is_relative_to(os.path.realpath(own)) for own in (*files, *folders))


def is_named() -> bool:
    """Whether the environment variable selects a data folder."""
    return bool(os.environ.get(ENVIRONMENT_VARIABLE))


def at(path: Path) -> DataFolder:
    """Return the data folder with a path, whether it exists or not.

    Raises:
        WrongUseError: The path has characters that DuckDB or Dagster read as something else. They would use the files
            of another folder. Or it is too long for SQLite, or not UTF-8.
    """
    folder = DataFolder(path.absolute())
    if found := MISREAD.search(str(folder.path)):
        raise WrongUseError(
            f"{folder.path} cannot be a data folder, because its path contains {found[0]}; rename that folder, or use"
            " another: a path can contain everything except * ? [ \\ and % before two hexadecimal digits"
        )
    if not is_utf8(str(folder.path)):
        name = os.fsencode(folder.path).decode(errors="backslashreplace")
        raise WrongUseError(
            f"{name} cannot be a data folder, because its path is not UTF-8 in the encoding of this terminal;"
            " rename it, or use a terminal with UTF-8"
        )
    # realpath, because resolve() raises an error for links in a circle; what creates or opens the folder names those.
    longest = max((str(folder.path), os.path.realpath(folder.path)), key=lambda each: len(os.fsencode(each)))
    if (byte_count := len(os.fsencode(longest))) > MOST_BYTES:
        where = "its path" if longest == str(folder.path) else f"links lead to {longest}, which"
        raise WrongUseError(
            f"{folder.path} cannot be a data folder, because {where} has {byte_count} bytes; use a path of at most"
            f" {MOST_BYTES} bytes, because SQLite cannot open databases in it otherwise"
        )
    return folder


def is_utf8(text: str) -> bool:
    """Whether a text from the command line is UTF-8; Python keeps other bytes as surrogates."""
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def find(path: Path | str | None = None, *, option: str = "--data") -> DataFolder:
    """Return the data folder: the given one, otherwise SESSION_PIPELINE_DATA, otherwise `data`.

    Args:
        path: The given folder.
        option: What the user gives the folder with; the error names it.

    Raises:
        WrongUseError: The folder has neither settings.toml nor raw/, or its path cannot be that of a data folder.
    """
    folder = at(Path(path or os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT))
    if folder.has_settings or folder.raw.is_dir():
        return folder
    around = DataFolder(folder.path.parent)
    # One of its files or folders was given, or the command was started in it. Other programs also have a settings.toml.
    if around.has_settings and (around.raw.is_dir() or around.store.is_dir()):
        raise WrongUseError(f"{folder.path} is not a data folder, but {around.path} is; select it with {option}")
    raise WrongUseError(
        f"{folder.path} is not a data folder: it has neither settings.toml nor raw/; create one with"
        f" `session-pipeline init {shlex.quote(str(folder.path))}`,"
        f" or select another with {option} or {ENVIRONMENT_VARIABLE}"
    )
