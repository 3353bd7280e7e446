"""The checks of checks.py as Dagster asset checks, over the days of the run."""

from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg

from session_pipeline.checks import CHECKS, Check
from session_pipeline.days import dates
from session_pipeline.defs import tags
from session_pipeline.defs.resources import PipelineResource


def make_checks() -> Sequence[dg.AssetChecksDefinition]:
    """All checks."""
    return [_asset_check(check) for check in CHECKS]


def _asset_check(check: Check) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=check.table, name=check.name, description=check.meaning, blocking=check.is_blocking)
    def asset_check(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
        run = pipeline.run
        verdict = check.run(run, [day for day in _days(context.run.tags) if run.planner.frame.is_wanted(day)])
        return dg.AssetCheckResult(
            passed=verdict.holds,
            severity=dg.AssetCheckSeverity.ERROR if check.is_error else dg.AssetCheckSeverity.WARN,
            description=verdict.sentence,
            metadata=dict(verdict.figures),
        )

    return asset_check


def _days(run_tags: Mapping[str, str]) -> list[date]:
    if tags.RANGE_START in run_tags:
        return list(dates(date.fromisoformat(run_tags[tags.RANGE_START]), date.fromisoformat(run_tags[tags.RANGE_END])))
    if "dagster/partition" in run_tags:
        return [date.fromisoformat(run_tags["dagster/partition"])]
    return []
