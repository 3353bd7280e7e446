"""The sensors: new files under raw/ launch `ingest`; what the plan names launches `build`.

Both look at the state as it is, so that missed ticks, gaps and late files are made up whatever their age. Neither
launches anything while a run is queued or under way.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from session_pipeline import data_folder
from session_pipeline.defs import tags
from session_pipeline.ingest.deliveries import deliveries
from session_pipeline.pipeline import horizon, make_planner, open_store
from session_pipeline.plan import Plan, digest
from session_pipeline.settings import load_settings

LANDING_SECONDS = 60
BUILD_SECONDS = 30
SETTLED_SECONDS = 10  # a file that was written to this lately may not be whole yet
FIRST_BACK_OFF = timedelta(minutes=5)
LONGEST_BACK_OFF = timedelta(hours=6)
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def make_sensors(ingest: Any, build: Any) -> Sequence[dg.SensorDefinition]:
    """The landing sensor and the build sensor, both on by default."""

    @dg.sensor(
        name="landing",
        job=ingest,
        minimum_interval_seconds=LANDING_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches ingest when a file is new or changed under raw/.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        folder = data_folder.find()
        busy = _busy(context.instance)
        if busy:
            return dg.SkipReason(busy)
        store = open_store(folder)
        known = store.catalog.delivered()
        store.close()
        now = datetime.now(UTC).timestamp()
        new = [
            item.name
            for item in deliveries(folder)
            if known.get(item.name, ("", ""))[0] != item.stamp and now - item.path.lstat().st_mtime > SETTLED_SECONDS
        ]
        if not new:
            return dg.SkipReason("no new file under raw/")
        context.log.info(f"{len(new)} new files, the first is {new[0]}")
        return dg.RunRequest(tags={tags.REASON: "landing"})

    @dg.sensor(
        name="stale_days",
        job=build,
        minimum_interval_seconds=BUILD_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches build for each unbroken range of days that the plan names.",
    )
    def stale_days(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        busy = _busy(context.instance)
        if busy:
            yield dg.SkipReason(busy)
            return
        plan = current_plan()
        if not plan.days:
            yield dg.SkipReason("every day is fresh")
            return
        waits = _backs_off(context.instance, plan)
        if waits:
            yield dg.SkipReason(waits)
            return
        yield from run_requests(plan)

    return [landing, stale_days]


def current_plan() -> Plan:
    """What is stale now, in the data folder that is meant."""
    folder = data_folder.find()
    settings = load_settings(folder.path)
    store = open_store(folder)
    try:
        return make_planner(settings, store, horizon(settings, None)).plan()
    finally:
        store.close()


def run_requests(plan: Plan) -> Iterator[dg.RunRequest]:
    """One run for each unbroken range of days; it keeps the plan's horizon."""
    for first, last in plan.ranges():
        yield dg.RunRequest(tags=run_tags(plan, first.isoformat(), last.isoformat()))


def run_tags(plan: Plan, first: str, last: str, reason: str = "plan") -> dict[str, str]:
    """The tags of a planned build of a range of days."""
    return {
        tags.RANGE_START: first,
        tags.RANGE_END: last,
        tags.UNTIL: plan.frame.until.isoformat(),
        tags.PLANNED: plan_id(plan),
        tags.REASON: reason,
    }


def plan_id(plan: Plan) -> str:
    """Hash of what a plan names, to know the same plan again after a failure."""
    return digest([[str(item), item.reason] for item in plan.items])[:12]


def _busy(instance: dg.DagsterInstance) -> str | None:
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=1)
    return f"waits for run {runs[0].run_id[:8]} ({runs[0].status.value.lower()})" if runs else None


def _backs_off(instance: dg.DagsterInstance, plan: Plan) -> str | None:
    """After failures of the same plan: wait twice as long each time."""
    failures = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={tags.PLANNED: plan_id(plan)}), limit=10
    )
    if not failures:
        return None
    wait = min(FIRST_BACK_OFF * 2 ** (len(failures) - 1), LONGEST_BACK_OFF)
    again = failures[0].update_timestamp + wait
    if datetime.now(UTC) >= again:
        return None
    return f"the same plan failed {len(failures)} times; tried again after {again:%H:%M} UTC"
