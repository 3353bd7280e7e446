"""Defines what a reader of delivered files does, and chooses one: in this process, or ahead of time as tasks.

Both readers give the same rows, so deliveries.py decides in the same order and commits in the same way: the first
delivery of a content is the one that counts, whichever task was faster.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import duckdb

from session_pipeline.engines.base import TaskRunner
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.admission.raw_folder import Delivery
from session_pipeline.ingest.mapping.source_rules import SourceRules
from session_pipeline.ingest.reading.local_reader import LocalReader
from session_pipeline.ingest.reading.result import ReadResult
from session_pipeline.ingest.reading.task_reader import TaskReader
from session_pipeline.ingest.reading.tasks import Place

MEMORY_OF_TASK = "1GB"


class Reader(Protocol):
    """Admits and reads files for deliveries.py, in its order.

    Attributes:
        looks_ahead: Whether `look_ahead` does something.
    """

    looks_ahead: bool

    def look_ahead(self, deliveries: Sequence[Delivery], known: Iterable[tuple[str, str]]) -> None:
        """Prepare for these deliveries.

        Args:
            deliveries: What will be admitted.
            known: File ids and formats whose rows need not be read again.
        """

    def admit(self, delivery: Delivery) -> Admitted:
        """Admit a delivery; see admit.admit."""

    def read(self, files: Sequence[Admitted]) -> Sequence[ReadResult]:
        """Read small files of one source and format together, or one file of any size; see read.read_together."""


def make_reader(
    raw: Path,
    scratch: Path,
    connection: duckdb.DuckDBPyConnection,
    rules_of: Callable[[str], SourceRules],
    runner: TaskRunner | None,
) -> Reader:
    """Return the reader for a run: with tasks if there is a runner."""
    local = LocalReader(raw, scratch, connection, rules_of)
    if runner is None:
        return local
    return TaskReader(local, runner, Place(raw, scratch / "tasks", MEMORY_OF_TASK), rules_of)
