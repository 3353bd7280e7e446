"""Run tags: names and values that sensors, ops and commands use to pass information about a run.

Tags that only the code reads begin with `.dagster/`, because the UI hides those.
"""

from collections.abc import Mapping
from datetime import date

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
