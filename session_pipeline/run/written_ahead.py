"""Lets the second thread write the warehouse and read from it what is needed next, before a run publishes it.

Meanwhile the run checks the tables. publish/ decides whether the warehouse is published; what was read is used only if
it is.
"""

from collections.abc import Hashable
from typing import TYPE_CHECKING

from session_pipeline.build.second_thread import SecondThread, Task
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.base import Jobs
from session_pipeline.publish.new_warehouse import NewWarehouse
from session_pipeline.report.ahead import ReadAhead, read_ahead
from session_pipeline.settings import Settings

if TYPE_CHECKING:  # slow to load
    from session_pipeline.publish.native_rows import Kept

WAREHOUSE, READ = "warehouse", "read"  # the tasks


class WrittenAhead:
    """The warehouse that the second thread writes, and what it reads from it. A run has at most one."""

    def __init__(self, second: SecondThread) -> None:
        """Take the second thread of the run. Nothing is written yet."""
        self._second = second
        self._new: NewWarehouse | None = None
        self._found: ReadAhead | None = None

    @property
    def has_begun(self) -> bool:
        """Whether a warehouse is written that is neither published nor discarded."""
        return self._new is not None

    def begin(self, new: NewWarehouse, kept: "Kept", folder: DataFolder, settings: Settings, *, reads: bool) -> None:
        """Let the second thread write a warehouse, and then read it.

        Args:
            new: The warehouse.
            kept: The rows that are still in memory, with a connection that no other thread uses.
            folder: The data folder.
            settings: Its settings.
            reads: Whether to read what the report and the checks need.
        """
        self._new, self._found = new, None

        def write(_jobs: Jobs) -> NewWarehouse:
            new.write(kept)
            return new

        def read(_jobs: Jobs) -> ReadAhead:
            return read_ahead(new, folder, settings)

        tasks: dict[Hashable, Task] = {READ: Task(None, read)} if reads else {}
        self._second.give({**tasks, WAREHOUSE: Task(None, write)})  # the last one is taken first

    def warehouse(self) -> NewWarehouse | None:
        """Return the warehouse, and wait for it if necessary; None if the run must write it. Reading it goes on."""
        written = self._second.fetch(WAREHOUSE, None)
        assert written is None or isinstance(written, NewWarehouse)
        self._second.stop(keep=READ)
        return written

    def found(self, folder: DataFolder) -> ReadAhead | None:
        """Return what was read from the published warehouse, and wait for it; None if the caller must read it."""
        found = self._second.fetch(READ, None)
        self._second.stop()
        if found is not None:
            assert isinstance(found, ReadAhead)
            self._found = found
        return self._found if self._found is not None and self._found.is_of(folder) else None

    def end(self) -> None:
        """Remove the warehouse and what was read from it, unless it is published: then that is needed next."""
        if self._new is not None and not self._new.file.is_in_place:
            self._second.stop()
            self._new.file.discard()
        self._new = None
