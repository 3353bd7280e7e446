"""Defines what a run reports: its progress while it works, and its outcome afterwards. run.py defines the run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from session_pipeline.build.builder import Built
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.publish.publication import Published
from session_pipeline.report import Written
from session_pipeline.tables.graph import Step

if TYPE_CHECKING:  # the checks import modules of this package
    from session_pipeline.settings_warnings import Findings


@dataclass(frozen=True)
class Progress:
    """Callbacks for the progress of a run; the command line draws its progress bars with them.

    Attributes:
        on_file: Called before each delivered file, with the number of files done, the number of all, and the name.
        on_build: Called after each step of a day, whether it was built or not.
        on_wait: Called once if another process holds the store, with a sentence that names that process.
    """

    on_file: Callable[[int, int, str], None] = lambda done, total, name: None
    on_build: Callable[[Step, date | None, Built], None] = lambda step, day, built: None
    on_wait: Callable[[str], None] = lambda sentence: None


@dataclass(frozen=True)
class FailedCheck:
    """A check that does not hold, with its sentence."""

    name: str
    sentence: str
    is_error: bool

    def __str__(self) -> str:
        """Return the name and the sentence."""
        return f"{self.name}: {self.sentence}"


@dataclass
class Outcome:
    """What a run did so far.

    Attributes:
        run_ids: The ids that it wrote under, one for each job.
        files: What the latest ingest did.
        published: The latest publication, or why nothing was published; None if it was not tried.
        findings: How the settings fit what is published; None if they were not compared since.
        report: The report; None if it was not written.
        failed_checks: The checks that did not hold, in order of time.
        expired_count: Partitions that expired, or lost their text.
        other_key_count: Files whose visitor ids were made with another visitor_key, before the ingest read those of
            them again that are still under raw/.
    """

    run_ids: set[str] = field(default_factory=set)
    files: IngestSummary = field(default_factory=IngestSummary)
    published: Published | str | None = None
    findings: "Findings | None" = None
    report: Written | None = None
    failed_checks: list[FailedCheck] = field(default_factory=list)
    expired_count: int = 0
    other_key_count: int = 0
