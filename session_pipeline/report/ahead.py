"""Reads from a new warehouse, before it is published, what a run needs after its publication.

These are the figures of the report, and how the settings fit the data. Both are used only if that file is published.
run/written_ahead.py calls this in a second thread.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from session_pipeline import report
from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import StoreError
from session_pipeline.publish.new_warehouse import NewWarehouse
from session_pipeline.publish.published_state import Stamp, stamp

if TYPE_CHECKING:
    import duckdb

    from session_pipeline.report.figures import Figures
    from session_pipeline.report.flaws import Look
    from session_pipeline.settings import Settings
    from session_pipeline.settings_warnings import Findings


@dataclass(frozen=True)
class ReadAhead:
    """What the report and the checks of a publication need of a warehouse.

    Attributes:
        read_from: The stamp of the file that was read.
        figures: The figures of the newest report.
        look: What to look at first; None if there are no visits.
        folders: The folders of sources under raw/ then, and whether each contained a file.
        findings: How the settings fit the warehouse and these folders.
    """

    read_from: Stamp
    figures: "Figures"
    look: "Look | None"
    folders: Mapping[str, bool]
    findings: "Findings"

    def is_of(self, folder: DataFolder) -> bool:
        """Whether the file that was read is the published warehouse, by its size and modification time."""
        return stamp(folder.warehouse) == self.read_from


def read_ahead(new: NewWarehouse, folder: DataFolder, settings: "Settings") -> ReadAhead:
    """Read what the report and the checks of a new warehouse need. The warehouse can be put in place meanwhile.

    Args:
        new: The warehouse.
        folder: The data folder.
        settings: Its settings.

    Raises:
        StoreError: The warehouse is not written, or cannot be opened.
    """
    if new.stamp is None:
        raise StoreError("the new warehouse is not written")
    with closing(_opened(new, folder)) as connection:
        from session_pipeline.report import figures, flaws, page  # noqa: F401  # slow to load; page is needed next
        from session_pipeline.report.funnels import open_days
        from session_pipeline.settings_warnings import find, folders_of_sources

        found = figures.read(connection, settings.timezone, None, open_days(settings))
        look = flaws.look_first(connection, found, settings)
        folders = folders_of_sources(folder.raw)
        findings = find(connection, settings, folders)
    return ReadAhead(new.stamp, found, look, folders, findings)


def _opened(new: NewWarehouse, folder: DataFolder) -> "duckdb.DuckDBPyConnection":
    """Open a new warehouse as a report opens the published one."""
    from session_pipeline.publish import warehouse  # slow to load

    place = new.file.place
    try:
        return warehouse.connect(place, folder.store, memory_limit=report.MEMORY_LIMIT)
    except StoreError:
        if new.file.place == place:
            raise
        # It was put in place meanwhile.
        return warehouse.connect(new.file.place, folder.store, memory_limit=report.MEMORY_LIMIT)
