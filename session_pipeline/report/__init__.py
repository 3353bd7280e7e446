"""Writes the report: one HTML file about the published warehouse, for site owners and analysts.

The report needs no network and no scripts. The same warehouse and settings always give the same bytes. This module
writes the file, figures.py queries the warehouse, page.py renders the page, and charts.py draws its charts. publish/
writes the warehouse.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from session_pipeline.data_folder import DataFolder
from session_pipeline.store import crash_points
from session_pipeline.store.files import make_folder, refusal_explained, replacing
from session_pipeline.store.shortage import report_shortage

if TYPE_CHECKING:
    from session_pipeline.settings import Settings

FILE_NAME = "index.html"


def write(folder: DataFolder, settings: "Settings | None" = None) -> Path:
    """Writes the report about the published warehouse atomically, and returns its path.

    Raises:
        StoreError: Nothing is published yet, another version published it, or the folder is not writable.
        DiskFullError: The disk is full.
        SettingsError: The settings are invalid. They define the order of outcomes and funnels.
    """
    # These imports are slow. Dagster's definitions import this module, but do not write a report.
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
        with report_shortage(folder.reports), refusal_explained(path), replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
            os.utime(temporary, ns=(made_from, made_from))
        crash_points.reached("report: in place")
        # If a run published in the meantime, this report can have replaced a newer one; write it again.
        if made_from == _time_of_warehouse(folder):
            return path


def is_current(folder: DataFolder) -> bool:
    """Whether the report shows the current warehouse: both files have the same modification time."""
    path = folder.reports / FILE_NAME
    return path.is_file() and path.stat().st_mtime_ns == _time_of_warehouse(folder)


def _time_of_warehouse(folder: DataFolder) -> int:
    return folder.warehouse.stat().st_mtime_ns if folder.warehouse.is_file() else 0
