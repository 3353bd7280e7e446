"""Dagster asset checks, made from the checks of the package `checks`.

They cover the days of the run; those about now cover the latest days.

The checks of a group of tables are one op, because each step of a run has a cost. The UI can still execute one check.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date

import dagster as dg

from session_pipeline.checks import CHECKS, Check, Verdict
from session_pipeline.defs import tags
from session_pipeline.defs.check_results import result_of
from session_pipeline.defs.resources import PipelineResource
from session_pipeline.errors import DiskFullError, MemoryTooSmallError
from session_pipeline.run.opened import today_in
from session_pipeline.run.outcome import FailedCheck
from session_pipeline.run.profile import CHECKS as CHECKING
from session_pipeline.run.run import Run
from session_pipeline.store.shortage import report_shortage
from session_pipeline.tables import TABLES

DAYS_BY_HAND = 7  # number of latest days to check if the run has no range of days


def make_checks(tables: Collection[str] | None = None) -> Sequence[dg.AssetChecksDefinition]:
    """Create all asset checks, or those of some tables."""
    ops: dict[str, list[Check]] = {}
    for check in CHECKS:
        if tables is None or check.table in tables:
            ops.setdefault(_op_of(check), []).append(check)
    return [_checks(name, checks) for name, checks in ops.items()]


def _op_of(check: Check) -> str:
    """Return the name of the op of a check. A blocking check is alone, because the tables behind it wait for its op."""
    if check.is_blocking:
        return f"check_{check.name}"
    return f"check_{TABLES[check.table].group if check.table in TABLES else check.table}"


def _checks(name: str, checks: Iterable[Check]) -> dg.AssetChecksDefinition:
    by_key = {dg.AssetCheckKey(dg.AssetKey(check.table), check.name): check for check in checks}

    @dg.multi_asset_check(
        name=name,
        specs=[
            dg.AssetCheckSpec(check.name, asset=check.table, description=check.meaning, blocking=check.is_blocking)
            for check in checks
        ],
        can_subset=True,
    )
    def asset_checks(
        context: dg.AssetCheckExecutionContext, pipeline: PipelineResource
    ) -> Iterator[dg.AssetCheckResult]:
        with pipeline.opened() as run:
            days = days_of_run(run, context.run.tags)
            for key, check in by_key.items():
                if key in context.selected_asset_check_keys and not (check.is_about_now and _is_early(run, days)):
                    yield _result(run, check, days)

    return asset_checks


def _result(run: Run, check: Check, days: Sequence[date]) -> dg.AssetCheckResult:
    with run.profile.stage(CHECKING):
        verdict = _verdict(run, check, days_of_check(run, check, days))
    if not verdict.holds:
        run.outcome.failed_checks.append(FailedCheck(check.name, verdict.sentence, check.is_error))
    return result_of(check, verdict)


def days_of_check(run: Run, check: Check, days: Sequence[date]) -> Sequence[date]:
    """Return the days that a check looks at when a run builds some days.

    A check about now looks at the latest days that are over: today, with include_today, has few visits so far.
    """
    if not check.is_about_now:
        return days
    today = today_in(run.settings.timezone)
    return [day for day in run.planner.frame.wanted if day < today][-DAYS_BY_HAND:]


def _is_early(run: Run, days: Sequence[date]) -> bool:
    """Return whether a later range of days is still to be built: only its checks can know the present."""
    wanted = run.planner.frame.wanted
    if not days or not wanted or days[-1] >= wanted[-1]:
        return False
    return any(day > days[-1] for day in run.plan(upgrade=run.upgrade).days)


def _verdict(run: Run, check: Check, days: Sequence[date]) -> Verdict:
    """Run a check. One that only warns must not fail the run: if it does not fit into memory, that is its warning."""
    try:
        with report_shortage(run.folder.store):
            return check.run(run, days)
    except (MemoryTooSmallError, DiskFullError) as error:
        if check.is_error:
            raise
        return Verdict(False, f"not checked: {error}")


def days_of_run(run: Run, run_tags: Mapping[str, str]) -> Sequence[date]:
    """Return the days that the checks of a Dagster run look at: its range, or the latest days if it has none.

    Frozen days are left out: the rows that they would be compared with have expired.
    """
    open_days = run.planner.frame.open_days
    first, last = tags.first_and_last_day(run_tags)
    if not first or not last:
        return open_days[-DAYS_BY_HAND:]
    return [day for day in open_days if date.fromisoformat(first) <= day <= date.fromisoformat(last)]
