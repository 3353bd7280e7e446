"""Writes the report: one HTML file for people, made from the warehouse.

The report needs no network and no script, and is the same for the same warehouse and settings. This module writes the
file; figures.py queries the warehouse and page.py renders the page. The warehouse is written in publish/.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from session_pipeline.data_folder import DataFolder
from session_pipeline.store import crash_points
from session_pipeline.store.files import make_folder, refusal_explained, replacing
from session_pipeline.store.shortage import shortage_said

if TYPE_CHECKING:
    from session_pipeline.settings import Settings

FILE_NAME = "index.html"


def write(folder: DataFolder, settings: "Settings | None" = None) -> Path:
    """Writes the report of the published warehouse atomically and returns its path.

    Raises:
        StoreError: Nothing is published yet, another version published it, or the folder is not writable.
        DiskFullError: The disk is full.
        SettingsError: The settings, which give the order of outcomes and funnels, are invalid.
    """
    # The charts take half a second to import. Dagster's definitions import this module but draw no charts.
    from session_pipeline.checks.settings_warnings import find
    from session_pipeline.publish import warehouse
    from session_pipeline.report import figures, page
    from session_pipeline.settings import load_settings

    settings = settings or load_settings(folder.path)
    path = folder.reports / FILE_NAME
    while True:
        made_from = _time_of_warehouse(folder)
        with warehouse.connect(folder.warehouse, folder.store) as connection:
            found = figures.read(connection, settings.timezone)
            findings = find(connection, settings)
        text = page.render(found, settings, findings)
        make_folder(folder.reports)
        with shortage_said(folder.reports), refusal_explained(path), replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
            os.utime(temporary, ns=(made_from, made_from))
        crash_points.reached("report: in place")
        # If a run published in the meantime, this report may have replaced its newer one: write again.
        if made_from == _time_of_warehouse(folder):
            return path


def is_current(folder: DataFolder) -> bool:
    """Whether the report shows the current warehouse. The file has the modification time of its warehouse."""
    path = folder.reports / FILE_NAME
    return path.is_file() and path.stat().st_mtime_ns == _time_of_warehouse(folder)


def _time_of_warehouse(folder: DataFolder) -> int:
    return folder.warehouse.stat().st_mtime_ns if folder.warehouse.is_file() else 0
