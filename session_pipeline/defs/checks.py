"""Dagster asset checks, made from the checks of the package `checks`. They cover the days of the run."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import dagster as dg

from session_pipeline.checks import CHECKS, Check
from session_pipeline.defs import tags
from session_pipeline.defs.resources import PipelineResource
from session_pipeline.reference.days import dates
from session_pipeline.run.outcome import FailedCheck
from session_pipeline.run.pipeline import Run
from session_pipeline.run.profile import CHECKS as CHECKING

PROBLEMS = "problems"  # metadata key: single problems, by which `run.alerts` recognizes those that were already sent
MOST_PROBLEMS = 100
DAYS_BY_HAND = 7  # number of latest days to check if the run has no range of days


def make_checks(tables: Collection[str] | None = None) -> Sequence[dg.AssetChecksDefinition]:
    """Create all asset checks, or those of some tables."""
    return [_asset_check(check) for check in CHECKS if tables is None or check.table in tables]


def _asset_check(check: Check) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=check.table, name=check.name, description=check.meaning, blocking=check.is_blocking)
    def asset_check(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.opened() as run:
            with run.profile.stage(CHECKING):
                verdict = check.run(run, _days(run, context.run.tags))
            if not verdict.holds:
                run.outcome.failed_checks.append(FailedCheck(check.name, verdict.sentence, check.is_error))
        problems = {PROBLEMS: list(verdict.problems[:MOST_PROBLEMS])} if verdict.problems else {}
        return dg.AssetCheckResult(
            passed=verdict.holds,
            severity=dg.AssetCheckSeverity.ERROR if check.is_error else dg.AssetCheckSeverity.WARN,
            description=verdict.sentence,
            metadata={**verdict.figures, **problems},
        )

    return asset_check


def _days(run: Run, run_tags: Mapping[str, str]) -> Sequence[date]:
    frame = run.planner.frame
    first, last = run_tags.get(tags.RANGE_START), run_tags.get(tags.RANGE_END)
    if (day := run_tags.get(tags.DAY)) is not None:
        first = last = day
    if first is None or last is None:
        return frame.wanted[-DAYS_BY_HAND:]
    return [day for day in dates(date.fromisoformat(first), date.fromisoformat(last)) if frame.is_wanted(day)]
