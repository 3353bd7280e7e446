"""Finds the sources whose published events say little about the settings, because the next run reads their files again.

Reads the ledger in the catalog without opening the store. ingest/ledger.py decides about each file.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import cache

from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import SessionPipelineError
from session_pipeline.ingest.mapping.rule_changes import recorded
from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.ingest.mapping.visitors import find_key
from session_pipeline.settings import Settings, path_of_source
from session_pipeline.settings_warnings.model import SettingsWarning
from session_pipeline.settings_warnings.sources import first_of
from session_pipeline.store.catalog import deliveries_in
from session_pipeline.store.catalog_file import CATALOG_FILE

NAMES = "event_names"


def sources_to_read_again(folder: DataFolder, settings: Settings) -> Mapping[str, bool]:
    """Return the sources with files under raw/ that were read with other settings.

    Returns:
        By source, whether its events have the names that were delivered: only `event_names` was added. It is empty if
        the catalog or the visitor key cannot be read; the commands that need them say why.
    """
    path = folder.store / CATALOG_FILE
    if not path.is_file():
        return {}
    try:
        key, delivered = find_key(folder.visitor_key), deliveries_in(path)
    except (OSError, ValueError, sqlite3.Error, SessionPipelineError):
        return {}
    rules = cache(lambda source, preset: rules_of(settings, source, key, preset))
    found: dict[str, bool] = {}
    for name, (fingerprint, facts) in delivered.items():
        source = facts["source"]
        if facts["status"] != "accepted" or found.get(source) is False:
            continue
        present = rules(source, facts.get("preset"))
        if not present.gave(fingerprint) and (folder.raw / name).is_file():
            before, after = facts.get("rules", {}), recorded(present)
            found[source] = NAMES not in before and {**before, NAMES: after.get(NAMES)} == after
    return found


def not_compared(names: Sequence[str]) -> SettingsWarning:
    """Return the warning that events of these sources are not compared with the settings."""
    folders = first_of([f"raw/{name}" for name in names], "folders")
    verb, whose = ("was", "its") if len(names) == 1 else ("were", "their")
    return SettingsWarning(
        path_of_source(names[0]),
        f"{folders} {verb} read with other settings, or by another version:",
        f"the next run reads {whose} files again, and then compares the settings with their events",
        is_in_report=False,
    )
