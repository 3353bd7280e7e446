"""Run tags: names and values that sensors, ops and commands use to pass information about a run.

The tags of a planned build follow from its plan; build/ makes the plan, and `defs.sensors` decides when to launch. Tags
that only the code reads begin with `.dagster/`, because the UI hides those.
"""

from collections.abc import Mapping
from datetime import date

from session_pipeline.build.plan import Certainty, Kind, Plan
from session_pipeline.store.files import digest

HIDDEN = ".dagster/session_pipeline_"
UNTIL = f"{HIDDEN}until"  # last day to build, so that a run keeps its horizon after midnight
PLANNED = f"{HIDDEN}planned"  # id of the plan that launched the run; such a run builds only stale days
PROCESS = f"{HIDDEN}process"  # the process of the run, and the run's id
DIED = f"{HIDDEN}died"  # id of the run that was marked as failed because its process died
REASON = "session_pipeline/reason"  # one of the reasons below; runs without it were launched in the UI
UPGRADE = "session_pipeline/upgrade"  # this build, or the one after this ingest, has no max_rebuild_days limit
DAY = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

SCHEDULE = "schedule"  # the daily schedule, or a build of the newest day
LANDING = "landing"  # there are files to read under raw/
LATE = "late"  # days before the newest one have new data
DAMAGED = "damaged"  # files of the store are damaged
UPGRADED = "upgrade"  # models or settings changed
PUBLISH = "publish"  # there is nothing to build, only days, settings or a report that are not published
COMMAND_LINE = "command line"
MANUAL = "manual"  # launched in the UI with Materialize


def reason_of_run(run_tags: Mapping[str, str]) -> str:
    """Return why a run was started, such as schedule; MANUAL if someone started it in the UI."""
    return run_tags.get(REASON, MANUAL)


def first_and_last_day(run_tags: Mapping[str, str]) -> tuple[str, str]:
    """Return the first and the last day of a run; two empty texts if it has no days."""
    day = run_tags.get(DAY, "")
    return run_tags.get(RANGE_START, day), run_tags.get(RANGE_END, day)


def planned_days(run_tags: Mapping[str, str]) -> tuple[date, date] | None:
    """Return the first and the last day of a planned build, which builds all steps for them; None if it is another."""
    first, last = first_and_last_day(run_tags)
    return (date.fromisoformat(first), date.fromisoformat(last)) if PLANNED in run_tags and first and last else None


def reason_of(plan: Plan, first: date | None = None, last: date | None = None, new_data: str | None = None) -> str:
    """Return the reason tag for the build of a range of days. New data takes precedence over all other reasons.

    If nothing is stale, the run publishes what is built, or writes the report.

    Args:
        plan: The plan.
        first: First day of the range; None for the assets without partitions.
        last: Last day of the range; None for the assets without partitions.
        new_data: The tag for new data. If None, it is LATE for days before the newest one, otherwise SCHEDULE.
    """
    stale = [
        item
        for item in plan.items
        if item.certainty is Certainty.WILL and (item.day is None or (first and last and first <= item.day <= last))
    ]
    if stale and all(item.kind is Kind.DAMAGE for item in stale):
        return DAMAGED
    if stale and all(item.kind in (Kind.LOGIC, Kind.ADDED, Kind.DAMAGE) for item in stale):
        return UPGRADED
    if new_data:
        return new_data
    if not plan.items:
        return PUBLISH
    return LATE if last and last < plan.frame.until else SCHEDULE


def run_tags(plan: Plan, first: str, last: str, reason: str, *, upgrade: bool = False) -> dict[str, str]:
    """Return the run tags of a planned build of a range of days."""
    asked = {UPGRADE: "true"} if upgrade else {}
    return {RANGE_START: first, RANGE_END: last, **planned(plan, reason), **asked}


def planned(plan: Plan, reason: str) -> dict[str, str]:
    """Return the run tags of a planned build of any days; the run uses the horizon of the plan."""
    return {UNTIL: plan.frame.until.isoformat(), PLANNED: plan_id(plan), REASON: reason}


def plan_id(plan: Plan) -> str:
    """Return a hash of the items of a plan, to recognize an equal plan."""
    return digest([[str(item), item.reason] for item in plan.items])[:12]
