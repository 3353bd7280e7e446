"""Prepares Dagster's home in the data folder, and returns the environment variables that point to it.

Does not import Dagster, so that commands that only need the path start fast. `defs.local_runs` opens the instance.
"""

import re
import warnings
from importlib.resources import files
from pathlib import Path
from typing import Any

from session_pipeline.data_folder import ENVIRONMENT_VARIABLE, DataFolder, is_same_path
from session_pipeline.errors import HistoryError
from session_pipeline.store.files import make_folder, replacing

# The databases, relative to Dagster's home.
RUNS, INDEX, SCHEDULES = "history/runs.db", "history/runs/index.db", "schedules/schedules.db"
# The classes that dagster.yaml names, by its keys.
STORAGES = {
    "run_storage": {"module": "session_pipeline.defs.storages", "class": "Runs"},
    "event_log_storage": {"module": "session_pipeline.defs.event_log", "class": "EventLog"},
    "schedule_storage": {"module": "session_pipeline.defs.storages", "class": "Schedules"},
}
OTHER_STORAGE = re.compile(r"^(storage|instance_class):", re.MULTILINE)


def settings_of(folder: DataFolder) -> Path:
    """Return the path of Dagster's settings file."""
    return folder.dagster_home / "dagster.yaml"


def has_own_storage(folder: DataFolder) -> bool:
    """Return whether the run history is in SQLite files below dagster_home/history, as the packaged settings have it.

    This is false if dagster.yaml names another storage.
    """
    text = _written(folder)
    return not OTHER_STORAGE.search(text) and _is_ours("run_storage", text) and _is_ours("event_log_storage", text)


def own_storages(folder: DataFolder) -> dict[str, Any]:
    """Return our storages as in dagster.yaml, for the folder as it is called now, without those that a user chose."""
    text = _written(folder)
    config = {"config": {"base_dir": str(folder.dagster_home)}}
    return {key: {**name, **config} for key, name in STORAGES.items() if _is_ours(key, text)}


def _written(folder: DataFolder) -> str:
    """Return the text of Dagster's settings file; empty if there is none.

    Raises:
        HistoryError: It cannot be read.
        PermissionError: This user may not read it. Then nothing is wrong with it.
    """
    settings = settings_of(folder)
    try:
        return settings.read_text(encoding="utf-8") if settings.is_file() else ""
    except PermissionError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise unusable(settings, f"cannot be read ({why})") from None


def unusable(settings: Path, why: str) -> HistoryError:
    """Return the error for a settings file of Dagster that cannot be used."""
    return HistoryError(
        f"{settings} {why}; fix that or restore it, or remove it:"
        " the next `session-pipeline run` or `dev` writes the packaged one"
    )


def _is_ours(key: str, text: str) -> bool:
    """Return whether dagster.yaml does not name a storage, or names ours; a file of an older version names none."""
    is_named = re.search(rf"^{key}:", text, re.MULTILINE)
    return not is_named or bool(re.search(rf"^{key}:\s+module: {STORAGES[key]['module']}$", text, re.MULTILINE))


def write_missing_settings(folder: DataFolder, dagster_home: str | None) -> None:
    """Write a missing dagster.yaml for the next start, with a warning: Dagster was started with its own defaults.

    These send telemetry, do not queue runs, and keep runs that hang. A home outside the folder is left alone.

    Args:
        folder: The data folder.
        dagster_home: The variable DAGSTER_HOME of this process.
    """
    settings = settings_of(folder)
    is_own = dagster_home and is_same_path(Path(dagster_home), folder.dagster_home)
    if is_own and folder.dagster_home.is_dir() and not settings.is_file():
        prepare(folder)
        warnings.warn(
            f"{settings} was missing, so Dagster was started with its own defaults; it is written now: restart Dagster",
            stacklevel=2,
        )


def prepare(folder: DataFolder) -> dict[str, str]:
    """Write dagster.yaml if it is missing; returns the environment variables for Dagster."""
    settings = settings_of(folder)
    if not settings.is_file():
        make_folder(folder.dagster_home)
        # By rename, so that another process that starts at the same moment cannot read half a file.
        with replacing(settings) as temporary:
            temporary.write_text(files("session_pipeline.defs").joinpath("dagster.yaml").read_text(encoding="utf-8"))
    return {"DAGSTER_HOME": str(folder.dagster_home), ENVIRONMENT_VARIABLE: str(folder.path)}
