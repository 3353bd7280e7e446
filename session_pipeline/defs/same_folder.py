"""Refuses the history of another data folder, when DAGSTER_HOME and SESSION_PIPELINE_DATA name different ones.

A daemon or a webserver would otherwise build one folder, and record its runs in the history of another.
Commands open the history of their own folder, in `defs.local_runs`.
"""

from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME

from session_pipeline.data_folder import ENVIRONMENT_VARIABLE, DataFolder, is_same_path
from session_pipeline.defs import home
from session_pipeline.defs.event_log import EventLog
from session_pipeline.errors import OtherHistoryError


def require_own_history(instance: dg.DagsterInstance, folder: DataFolder) -> None:
    """Refuse an instance of Dagster that records its runs in the home of another data folder.

    Storages that a user chose in dagster.yaml can be anywhere, and so can a home that is in no data folder.

    Raises:
        OtherHistoryError: It is another folder.
    """
    log = instance.event_log_storage
    if not isinstance(log, EventLog):
        return
    used = Path(log.path_for_shard(INDEX_SHARD_NAME))
    # If a user chose another folder for the log alone, the root is that of this folder.
    if is_same_path(used, folder.dagster_home / home.INDEX):
        return
    if is_same_path(Path(instance.root_directory), folder.dagster_home):
        return
    used_home = used.parents[2]
    if not _is_in_a_data_folder(used_home):
        return
    raise OtherHistoryError(
        f"DAGSTER_HOME is {used_home}, but {ENVIRONMENT_VARIABLE} is {folder.path}, whose history of runs is in"
        f" {folder.dagster_home}; set both variables for the same data folder, and restart the process"
    )


def _is_in_a_data_folder(used_home: Path) -> bool:
    folder = DataFolder(used_home.parent)
    return used_home.name == folder.dagster_home.name and (folder.has_settings or folder.store.is_dir())
