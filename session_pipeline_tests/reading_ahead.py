"""Runs an ingest with or without a second thread that reads delivered files before it, and notes what it did."""

from collections.abc import Callable
from pathlib import Path
from threading import current_thread, main_thread
from time import sleep
from typing import Any, NamedTuple

import pytest

from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.reading.local_reader import LocalReader
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.run.opened import open_folder
from session_pipeline.run.pipeline import writing
from session_pipeline.run.run import Run
from session_pipeline_tests.built_week import UNTIL, day_of_events
from session_pipeline_tests.deployment import Deployment

OF_THE_CLOCK = {"read_at", "run_id"}
read = LocalReader.read


class Readers:
    """Notes which thread reads which files, and with which connection.

    Attributes:
        second: The paths that the second thread read.
        first: The paths that the first thread read.
        error: What the second thread raises after it has read.
        connections: The connections of the second thread.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.second: list[str] = []
        self.first: list[str] = []
        self.error: BaseException | None = None
        self.connections: list[object] = []

        def noting(reader: LocalReader, files: list[Admitted]) -> Any:
            readings = read(reader, files)
            if current_thread() is main_thread():
                self.first += [each.path.name for each in files]
                return readings
            self.second += [each.path.name for each in files]
            self.connections.append(reader._connection)
            if self.error is not None:
                raise self.error
            return readings

        patch.setattr(LocalReader, "read", noting)


class Result(NamedTuple):
    """What an ingest did: its summary, the files it was asked about, and what the store has afterwards."""

    summary: IngestSummary
    shown: list[tuple[int, int, str]]
    partitions: dict[str, tuple[str, str, int, dict[str, str], str]]
    files: dict[str, tuple[str, dict[str, Any]]]
    delivered: dict[str, str]


def nothing(raw: Path) -> None:
    """Change nothing."""


def ingested(
    deployment: Deployment,
    *,
    ahead: bool,
    between: Callable[[Path], None] = nothing,
    at_file: Callable[[Path], None] = nothing,
    look: Callable[[Run], None] = lambda run: None,
) -> Result:
    """Ingest what is delivered.

    Args:
        deployment: The deployment.
        ahead: Whether a second thread reads before.
        between: Changes the files under raw/ before the ingest, and after the second thread has read them.
        at_file: Changes them after the ingest has listed them.
        look: Looks at the run before the ingest.
    """
    folder, shown = deployment.folder, []

    def on_file(done: int, total: int, name: str) -> None:
        if not shown:
            at_file(folder.raw)
        shown.append((done, total, name))

    with open_folder(folder, until=UNTIL) as opened, writing(opened, run_id="test") as run:
        run.files_to_read()
        if ahead:
            run.read_ahead()
            while run.second_thread._waiting:  # a task that is not taken yet would be forgotten
                sleep(0.001)
        run.second_thread.stop()
        look(run)
        between(folder.raw)
        summary = run.ingest(on_file)
        assert run.files_ahead is None
        assert {path.name for path in run.store.scratch.iterdir()} <= {"spill"}, "nothing is left"
        catalog = run.store.catalog
        return Result(
            summary,
            shown,
            {
                f"{key} {key.file_id}": (each.sha256, each.fingerprint, each.row_count, dict(each.counts), each.reason)
                for key, each in run.store.partitions.items()
                if key.file_id
            },
            {
                file_id: (each.fingerprint, {name: each.facts[name] for name in each.facts.keys() - OF_THE_CLOCK})
                for file_id, each in catalog.source_files().items()
            },
            {name: file_id for name, (_, file_id) in catalog.delivered().items()},
        )


Write = Callable[[Path], None]  # writes delivered files below raw/


def further(*cases: object) -> list[Any]:
    """Mark cases as nightly: each takes half a second, and others show the same rule."""
    return [pytest.param(case, marks=pytest.mark.nightly) for case in cases]


def json_lines(raw: Path) -> None:
    Deployment.at(raw.parent).deliver("day-6", [*day_of_events(6), "{broken"], "web")
