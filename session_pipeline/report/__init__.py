"""The report: one HTML file that a person reads, made from the warehouse alone.

It needs no network and no script, and is the same for the same warehouse. Knows where the file belongs. Does not know
the store, nor how the warehouse came about.
"""

import os
from pathlib import Path

from session_pipeline import crash_points
from session_pipeline.data_folder import DataFolder

FILE_NAME = "index.html"


def write(folder: DataFolder) -> Path:
    """Write the report of what is published, whole, and return where it is.

    Raises:
        StoreError: Nothing is published yet, or another version published it.
        SettingsError: The settings, which give the order of outcomes and funnels, cannot be used.
    """
    # Charts cost half a second to load; Dagster's definitions import this module and draw nothing.
    from session_pipeline.publish import warehouse
    from session_pipeline.report import figures, page
    from session_pipeline.settings import load_settings

    settings = load_settings(folder.path)
    with warehouse.connect(folder.warehouse, folder.store) as connection:
        found = figures.read(connection, settings.timezone)
    text = page.render(found, settings)
    folder.reports.mkdir(parents=True, exist_ok=True)
    path = folder.reports / FILE_NAME
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    crash_points.reached("report: written")
    os.replace(temporary, path)
    crash_points.reached("report: renamed")
    return path
