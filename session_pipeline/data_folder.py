"""The data folder: everything of one deployment, under names that never change.

Knows paths only.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from session_pipeline.errors import WrongUseError

ENVIRONMENT_VARIABLE = "SESSION_PIPELINE_DATA"
DEFAULT = "data"


@dataclass(frozen=True)
class DataFolder:
    """One deployment: settings, delivered files, what was built, what was published, the history of runs."""

    path: Path

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.path / "settings.toml"

    @property
    def has_settings(self) -> bool:
        """Whether there is a settings file; without one, the packaged settings are used."""
        return os.path.lexists(self.settings)

    @property
    def raw(self) -> Path:
        """Delivered files, in a folder for each source. Never changed."""
        return self.path / "raw"

    @property
    def visitor_key(self) -> Path:
        """The secret that visitor ids are made with where sources have none; there once it was needed."""
        return self.path / "visitor_key"

    @property
    def store(self) -> Path:
        """What is built: the truth."""
        return self.path / "store"

    @property
    def lake(self) -> Path:
        """Published Parquet in hive folders."""
        return self.path / "lake"

    @property
    def warehouse(self) -> Path:
        """The published DuckDB file."""
        return self.path / "warehouse.duckdb"

    @property
    def reports(self) -> Path:
        """Reports for people."""
        return self.path / "reports"

    @property
    def dagster_home(self) -> Path:
        """Dagster's settings and history."""
        return self.path / "dagster_home"


def is_named() -> bool:
    """Whether the environment says which data folder is meant."""
    return bool(os.environ.get(ENVIRONMENT_VARIABLE))


def find(path: Path | str | None = None) -> DataFolder:
    """The data folder that is meant: the given one, else SESSION_PIPELINE_DATA, else `data`.

    Raises:
        WrongUseError: It has neither settings.toml nor raw/.
    """
    folder = DataFolder(Path(path or os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT).absolute())
    if not folder.has_settings and not folder.raw.is_dir():
        raise WrongUseError(
            f"{folder.path} is no data folder: it has neither settings.toml nor raw/; make one with"
            f" `session-pipeline init {folder.path}`, or name another with --data or {ENVIRONMENT_VARIABLE}"
        )
    return folder
