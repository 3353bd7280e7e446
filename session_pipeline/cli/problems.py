"""Collects the problems of a deployment in one list, so that `plan`, `status` and `run` report the same ones.

Stale days and the age of the publication are not in this list; each command reports them itself.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from session_pipeline import report, settings_warnings
from session_pipeline.build.plan import Plan
from session_pipeline.checks import CHECKS, missing_sources, rejected_files
from session_pipeline.cli.screen import counted, echo, plain
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import history
from session_pipeline.errors import HistoryError, StoreError
from session_pipeline.ingest.admission.raw_folder import deliveries
from session_pipeline.ingest.erasing.erasures import unfinished_in
from session_pipeline.reference.days import day_ranges
from session_pipeline.run import delivered_files
from session_pipeline.settings import Settings
from session_pipeline.store.store import Store

SHOWN = 10
SHOWN_REASONS = 3  # for outdated days; `plan` shows all
ANY_DATE = re.compile(r"\[[\d-]+\]")
UNFINISHED_ERASURE = "an erasure was interrupted; finish it with `session-pipeline run`"
COUNTED_HERE = (
    "set_aside_rate",
    "source_arrived",
    "built_by_current_rules",
    "settings_match_data",
)  # computed here from the current catalog; the recorded result of the check can be outdated


@dataclass(frozen=True)
class Problems:
    """Problems that a person should look at.

    Attributes:
        errors: Problems that must be fixed; with any of them, `status --check` exits with 1.
        warnings: Unusual findings that can be correct.
        failed_checks: Those of the errors that are checks, whose latest result may be of an earlier run.
    """

    errors: list[str]
    warnings: list[str]
    failed_checks: Sequence[str] = ()


def find(
    folder: DataFolder,
    settings: Settings,
    store: Store,
    plan: Plan,
    findings: settings_warnings.Findings | None = None,
) -> Problems:
    """Find all current problems, from the catalog, the delivered files and the latest result of each check.

    Args:
        folder: The data folder.
        settings: Its settings.
        store: Its store.
        plan: The present plan.
        findings: How the settings fit what is published; None to compare them.
    """
    until = plan.frame.until
    lost_key = delivered_files.lost_visitor_key(folder, store)
    check_errors, check_warnings = _checks(folder)
    broken_history = history.broken(folder)
    check_errors = [error for error in check_errors if error != broken_history]
    check_warnings = [warning for warning in check_warnings if not (lost_key and warning.endswith(lost_key))]
    errors = [
        *([lost_key] if lost_key else []),
        *([broken_history] if broken_history else []),
        *([UNFINISHED_ERASURE] if unfinished_in(folder) is not None else []),
        *rejected_files(folder, settings, store, until),
        *missing_sources(settings, store, until),
        *check_errors,
        *outdated_days(plan),
        *_missing_warehouse(folder, store),
        *_missing_report(folder),
    ]
    warnings = [
        *check_warnings,
        *frozen_days_after(plan, store),
        *delivered_files.sources_without_folder(folder, settings),
        *(_settings_to_check(folder, settings) if findings is None else map(str, findings.warnings)),
    ]
    return Problems(errors, [*warnings, *_no_delivered_files(folder, store)], check_errors)


def _no_delivered_files(folder: DataFolder, store: Store) -> list[str]:
    """Return a sentence if there is no delivered file: none was delivered yet, or their disk is not mounted."""
    if any(True for _ in deliveries(folder)):
        return []
    accepted = [item for item in store.catalog.source_files().values() if item.facts["status"] == "accepted"]
    if not accepted:
        return [f"there are no files under {folder.raw} yet; put them into one folder for each source"]
    return [
        f"there are no files under {folder.raw} any more; what is stored of {counted(len(accepted), 'accepted file')}"
        " stays; if nobody removed the files, mount or restore the folder"
    ]


def outdated_days(plan: Plan) -> list[str]:
    """Return a sentence about days with changed settings or models, if they are too many for one run."""
    days = plan.outdated_days
    if not days:
        return []
    reasons = list(dict.fromkeys(undated(item.reason) for item in plan.outdated))
    more = [f"and {len(reasons) - SHOWN_REASONS} more"] if len(reasons) > SHOWN_REASONS else []
    why = "; ".join([*reasons[:SHOWN_REASONS], *more])
    expires = plan.frame.settings.privacy.keep_days.raw
    frozen = "; days whose raw events expire before then (privacy.keep_days) stay as they are" if expires else ""
    return [
        f"{counted(len(days), 'day')} of older settings, {day_ranges(days)} ({why}):"
        f" more than max_rebuild_days, so they wait for `session-pipeline run --upgrade`{frozen}"
    ]


def frozen_days_after(plan: Plan, store: Store) -> list[str]:
    """Return a sentence about frozen days after the last day, which stay in tables with days and in no other."""
    until, frozen_before = plan.frame.until, plan.frame.frozen_before
    built = [partition.key.date for partition in store.of_table("daily_summary")]
    days = [day for day in built if day is not None and frozen_before is not None and until < day < frozen_before]
    if not days:
        return []
    return [
        f"{day_ranges(days)}: frozen days after the last day, {until}, stay because they cannot be built again, but"
        " tables without days, such as visitors, are without them; run with a later last day, or without --until"
    ]


def _missing_warehouse(folder: DataFolder, store: Store) -> list[str]:
    """Return a sentence if the warehouse that was published is gone, or if a folder has its place."""
    path = folder.warehouse
    if path.is_file() or store.catalog.latest_publication() is None:
        return []
    if path.is_dir():
        return [f"{path} is a folder; move it elsewhere, and write the warehouse with `session-pipeline run`"]
    return [f"there is no warehouse at {path}; write it with `session-pipeline run`"]


def _missing_report(folder: DataFolder) -> list[str]:
    """Return a sentence if the run that published was killed before it wrote the report, or could not write it."""
    may_not_be_seen = folder.reports.is_dir() and not os.access(folder.reports, os.R_OK | os.X_OK)
    if not folder.warehouse.is_file() or report.is_current(folder) or may_not_be_seen:
        return []
    return [f"reports/{report.FILE_NAME} does not show what is published; write it with `session-pipeline run`"]


def _settings_to_check(folder: DataFolder, settings: Settings) -> list[str]:
    try:
        return [str(warning) for warning in settings_warnings.find_for_folder(folder, settings).warnings]
    except StoreError as error:
        return [str(error)]


def undated(reason: str) -> str:
    """Return a reason without the dates in it."""
    return ANY_DATE.sub("", reason)


def show(problems: Problems) -> None:
    """Print the problems for a person."""
    for sentences in (problems.errors, problems.warnings):
        for sentence in sentences[:SHOWN]:
            echo(plain(sentence), style="yellow")
        if len(sentences) > SHOWN:
            echo(f"and {counted(len(sentences) - SHOWN, 'more problem')}", style="yellow")


def _checks(folder: DataFolder) -> tuple[list[str], list[str]]:
    """Return the errors and the warnings of the checks that failed in their latest evaluation."""
    names = [(check.name, check.table) for check in CHECKS if check.name not in COUNTED_HERE]
    try:
        found = history.failed_checks(folder, names)
    except HistoryError as error:
        return [str(error)], []
    errors, warnings = ([str(check) for check in found if check.is_error is kind] for kind in (True, False))
    return errors, warnings
