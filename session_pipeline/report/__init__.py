"""The report: one HTML file that a person reads, made from the warehouse alone.

It needs no network and no script, and is the same for the same warehouse. Knows where the file belongs. Does not know
the store, nor how the warehouse came about.
"""

import os
from pathlib import Path

from session_pipeline.data_folder import DataFolder
from session_pipeline.store import crash_points
from session_pipeline.store.files import make_folder, refusal_explained, replacing
from session_pipeline.store.shortage import shortage_said

FILE_NAME = "index.html"


def write(folder: DataFolder) -> Path:
    """Write the report of what is published, whole, and return where it is.

    Raises:
        StoreError: Nothing is published yet, another version published it, or the folder cannot be written to.
        DiskFullError: There is no room for it.
        SettingsError: The settings, which give the order of outcomes and funnels, cannot be used.
    """
    # Charts cost half a second to load; Dagster's definitions import this module and draw nothing.
    from session_pipeline.checks.settings_warnings import find
    from session_pipeline.publish import warehouse
    from session_pipeline.report import figures, page
    from session_pipeline.settings import load_settings

    settings = load_settings(folder.path)
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
        if made_from == _time_of_warehouse(folder):  # else a run published meanwhile, and this may lie over its report
            return path


def is_current(folder: DataFolder) -> bool:
    """Whether the report tells of the warehouse as it is now: it bears the time of the one that it was made from."""
    path = folder.reports / FILE_NAME
    return path.is_file() and path.stat().st_mtime_ns == _time_of_warehouse(folder)


def _time_of_warehouse(folder: DataFolder) -> int:
    return folder.warehouse.stat().st_mtime_ns if folder.warehouse.is_file() else 0
