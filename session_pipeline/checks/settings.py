"""Checks that the settings fit the published data. settings_warnings finds the mismatches."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from session_pipeline import settings_warnings
from session_pipeline.checks.verdict import SHOWN, Verdict, verdict
from session_pipeline.errors import StoreError

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.run import Run


def settings_match_data(run: "Run", days: Sequence[date]) -> Verdict:
    """Every condition of the settings matches something, each source has page views, and none share a site by default.

    The settings are compared with the published tables of at most the last 28 days with events. The days that the run
    builds do not matter.
    """
    if not run.folder.warehouse.is_file():
        return Verdict(True, "nothing is published yet")
    try:
        run.outcome.findings = _findings(run)
    except StoreError as error:
        return Verdict(False, str(error))
    found = run.outcome.findings.warnings
    figures = {"warnings": len(found), **{warning.key: warning.sentence for warning in found[:SHOWN]}}
    # Without the hint, which changes from day to day: an alert is sent once as long as the problem is the same.
    problems = tuple(f"{warning.key}: {warning.problem}" for warning in found)
    return replace(verdict(list(map(str, found)), "every rule matches data", figures), problems=problems)


def _findings(run: "Run") -> settings_warnings.Findings:
    """Compare the settings with the published data, unless that was done when the warehouse was written."""
    ahead = run.read_of_published()
    if ahead is not None and ahead.folders == settings_warnings.folders_of_sources(run.folder.raw):
        return ahead.findings
    return settings_warnings.find_for_folder(run.folder, run.settings)
