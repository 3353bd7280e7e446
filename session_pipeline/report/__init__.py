"""Writes the report: one HTML file about the published warehouse, for site owners and analysts.

The report needs no network and no scripts. The same warehouse and settings always give the same bytes. This module
writes the files, figures.py queries the warehouse, ahead.py does that before it is published, sections.py fills in what
the templates read, which content.py defines, page.py renders the page, compiled.py keeps its compiled templates, and
charts/ draws its charts. publish/ writes the warehouse.

What comes first is found by flaws.py, silence.py, hard_times.py and strengths.py, or quiet.py without a flaw; flaw.py
defines a flaw, and places.py chooses and sorts. tiles.py, outcomes.py, breakdowns.py, funnels.py, paths.py and
retention.py prepare sections. formats.py, names.py, sites.py, observed.py, lost_values.py, long_names.py and
glossary.py write numbers and words. chance.py says what chance can cause. svg.py and widths.py write charts.
window.py and constants.py define the days and numbers of the queries.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from session_pipeline.data_folder import DataFolder
from session_pipeline.store import crash_points
from session_pipeline.store.files import make_folder, refusal_explained, remove_temporaries, replacing
from session_pipeline.store.shortage import report_shortage

if TYPE_CHECKING:
    from session_pipeline.report.ahead import ReadAhead
    from session_pipeline.report.page import Page
    from session_pipeline.settings import Settings
    from session_pipeline.settings_warnings import Findings

FILE_NAME = "latest.html"
TEMPORARIES = (f".{FILE_NAME}.*", ".????-??-??.html.*")  # patterns of names
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MEMORY_LIMIT = "1GB"  # queries of daily tables need far less; beyond it, they fail instead of filling the machine


@dataclass(frozen=True)
class Written:
    """A report that was written.

    Attributes:
        path: Its file.
        charts: Its main charts by title, as complete SVG files.
    """

    path: Path
    charts: Mapping[str, str]


def write(
    folder: DataFolder,
    settings: "Settings | None" = None,
    findings: "Findings | None" = None,
    ahead: "ReadAhead | None" = None,
) -> Written:
    """Write the report about the published warehouse atomically, as latest.html.

    The same page is also written as YYYY-MM-DD.html, named by its last day. Files of other days are not changed.

    Args:
        folder: The data folder.
        settings: Its settings; None to load them.
        findings: How the settings fit this warehouse; None to compare them.
        ahead: What was read with these settings before the warehouse was published. It is used with `findings`, if it
            is of the warehouse in place.

    Raises:
        StoreError: Nothing is published yet, another version published it, or the folder is not writable.
        DiskFullError: The disk is full.
        SettingsError: The settings are invalid. They define the order of outcomes and funnels.
    """
    path = folder.reports / FILE_NAME
    while True:
        made_from = _time_of_warehouse(folder)
        page = _page(folder, settings, None, findings, ahead)
        for pattern in TEMPORARIES:
            remove_temporaries(folder.reports, pattern)
        if page.last_day:
            _replace(folder, day_file(folder, page.last_day), page.text, made_from)
        _replace(folder, path, page.text, made_from)
        crash_points.reached("report: in place")
        # If a run published in the meantime, this report can have replaced a newer one; write it again.
        if made_from == _time_of_warehouse(folder):
            return Written(path, page.charts)
        findings = None


def write_day(folder: DataFolder, last_day: date) -> Path:
    """Write the report of the week that ends with this day, and return its path; latest.html is not changed.

    Raises:
        WrongUseError: The warehouse has no such day.
        StoreError, DiskFullError, SettingsError: As for write().
    """
    path = day_file(folder, last_day)
    while True:
        made_from = _time_of_warehouse(folder)
        page = _page(folder, None, last_day)
        _replace(folder, path, page.text, made_from)
        if made_from == _time_of_warehouse(folder):
            return path
        # An erasure can have ended in the meantime. Removed first, because the day can be gone or the disk full.
        path.unlink(missing_ok=True)


def day_file(folder: DataFolder, last_day: date) -> Path:
    """Return the path of the report whose last day is this day."""
    return folder.reports / f"{last_day}.html"


def day_of(path: Path) -> date | None:
    """Return the day that a report is named by; None for latest.html and for pages that are no reports."""
    try:
        return date.fromisoformat(path.stem) if DAY.fullmatch(path.stem) else None
    except ValueError:
        return None


def is_current(folder: DataFolder) -> bool:
    """Whether the report shows the current warehouse: both files have the same modification time.

    A report that this user may not see is not current. To write it fails with an explanation.
    """
    path = folder.reports / FILE_NAME
    try:
        return path.is_file() and path.stat().st_mtime_ns == _time_of_warehouse(folder)
    except PermissionError:
        return False


def _page(
    folder: DataFolder,
    settings: "Settings | None",
    last_day: date | None,
    findings: "Findings | None" = None,
    ahead: "ReadAhead | None" = None,
) -> "Page":
    # These imports are slow. Dagster's definitions import this module, but do not write a report.
    from session_pipeline.publish import warehouse
    from session_pipeline.report import figures, flaws, page
    from session_pipeline.report.funnels import open_days
    from session_pipeline.settings import load_settings
    from session_pipeline.settings_warnings import find, folders_of_sources, sources_to_read_again

    settings = settings or load_settings(folder.path)
    if findings is not None and ahead is not None and ahead.is_of(folder):
        return page.render(ahead.figures, settings, findings, ahead.look)
    with (
        report_shortage(folder.reports),
        warehouse.connect(folder.warehouse, folder.store, memory_limit=MEMORY_LIMIT) as connection,
    ):
        found = figures.read(connection, settings.timezone, last_day, open_days(settings))
        if findings is None:
            folders = folders_of_sources(folder.raw)
            findings = find(connection, settings, folders, lambda: sources_to_read_again(folder, settings))
        look = flaws.look_first(connection, found, settings)
    return page.render(found, settings, findings, look)


def _replace(folder: DataFolder, path: Path, text: str, made_from: int) -> None:
    make_folder(folder.reports)
    with report_shortage(folder.reports), refusal_explained(path), replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        os.utime(temporary, ns=(made_from, made_from))


def _time_of_warehouse(folder: DataFolder) -> int:
    return folder.warehouse.stat().st_mtime_ns if folder.warehouse.is_file() else 0
