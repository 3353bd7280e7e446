"""The sensors: files to read under raw/ launch `ingest`; what the plan names launches `build`.

Both look at the state as it is and not at what happened, so that missed ticks, gaps and late files are made up whatever
their age. That is also how a build follows an ingest, whoever ran it: a second sensor on its success would say nothing
that the plan does not. Neither launches anything while a run is queued or under way.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from session_pipeline import pipeline
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import tags
from session_pipeline.defs.jobs import BUILD, INGEST
from session_pipeline.defs.local_runs import UNDATED, fail_dead_runs
from session_pipeline.plan import Plan, digest
from session_pipeline.publish import publication
from session_pipeline.settings import Settings, load_settings

LANDING_SECONDS = 60
BUILD_SECONDS = 30
SETTLED_SECONDS = 10  # a file that was touched this lately may not be whole yet
FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=6)
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
Requests = Iterator[dg.RunRequest | dg.SkipReason]


def make_sensors(folder: DataFolder, ingest: Any, build: Any) -> Sequence[dg.SensorDefinition]:
    """The landing sensor and the build sensor of a data folder, both on by default."""

    @dg.sensor(
        name="landing",
        job=ingest,
        minimum_interval_seconds=LANDING_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches ingest when a file under raw/ is new or changed, or is to be read otherwise than before.",
    )
    def landing(context: dg.SensorEvaluationContext) -> Requests:
        with closing(pipeline.open_store(folder)) as store:
            files = pipeline.files_to_read(folder, load_settings(folder.path), store)
        settled = {name: why for name, why in files.items() if _is_settled(folder, name)}
        landed = digest(settled)[:12]
        reason = _busy(context.instance, folder) or (
            _waits(context.instance, INGEST, landed) if settled else _nothing_landed(files)
        )
        if reason:
            yield dg.SkipReason(reason)
            return
        name, why = next(iter(settled.items()))
        context.log.info(f"{len(settled)} files to read; the first is {name}: {why}")
        yield dg.RunRequest(tags={tags.REASON: "landing", tags.PLANNED: landed})

    @dg.sensor(
        name="stale_days",
        job=build,
        minimum_interval_seconds=BUILD_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches build for each range of days that the plan names, and to publish what is built.",
    )
    def stale_days(context: dg.SensorEvaluationContext) -> Requests:
        busy = _busy(context.instance, folder)
        if busy:
            yield dg.SkipReason(busy)
            return
        settings = load_settings(folder.path)
        until = pipeline.horizon(settings, None)
        upgrade = _asks_for_upgrade(context.instance)
        state = _state(folder, settings, until, upgrade)
        if context.cursor == state:
            yield dg.SkipReason("every day is fresh, and nothing has changed since that was found")
            return
        plan = pipeline.current_plan(folder, settings, until, upgrade=upgrade)
        requests = list(run_requests(plan, upgrade=upgrade))
        if not requests and not _is_published(folder, plan):
            requests = [publishing_request(plan)]
        if not requests:
            context.update_cursor(state)
            yield dg.SkipReason("every day is fresh")
            return
        waits = _waits(context.instance, BUILD, plan_id(plan))
        if waits:
            yield dg.SkipReason(waits)
            return
        yield from requests

    return [landing, stale_days]


def run_requests(plan: Plan, *, upgrade: bool = False) -> Iterator[dg.RunRequest]:
    """A build for each range of days."""
    for first, last in plan.ranges():
        reason = "upgrade" if upgrade else "late" if last < plan.frame.until else "schedule"
        yield dg.RunRequest(tags=run_tags(plan, first.isoformat(), last.isoformat(), reason))


def publishing_request(plan: Plan) -> dg.RunRequest:
    """A build of what has no days: a run was stopped after the last day was built and before it was published."""
    own = {tags.UNTIL: plan.frame.until.isoformat(), tags.PLANNED: plan_id(plan), tags.REASON: "publish"}
    return dg.RunRequest(tags=own, asset_selection=UNDATED)


def run_tags(plan: Plan, first: str, last: str, reason: str = "plan") -> dict[str, str]:
    """The tags of a planned build of a range of days; it keeps the plan's horizon."""
    return {
        tags.RANGE_START: first,
        tags.RANGE_END: last,
        tags.UNTIL: plan.frame.until.isoformat(),
        tags.PLANNED: plan_id(plan),
        tags.REASON: reason,
    }


def plan_id(plan: Plan) -> str:
    """Hash of what a plan names, to know the same plan again."""
    return digest([[str(item), item.reason] for item in plan.items])[:12]


def _is_settled(folder: DataFolder, name: str) -> bool:
    # The time of the last change of any kind: the time of writing can be set, as copying does.
    age = datetime.now(UTC).timestamp() - (folder.raw / name).lstat().st_ctime
    return abs(age) >= SETTLED_SECONDS


def _nothing_landed(files: dict[str, str]) -> str:
    return f"{len(files)} files were touched in the last seconds" if files else "no new file under raw/"


def _busy(instance: dg.DagsterInstance, folder: DataFolder) -> str | None:
    if not instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=1):
        return None
    fail_dead_runs(instance, folder)  # else one would keep all others out
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=1)
    return f"waits for run {runs[0].run_id[:8]} ({runs[0].status.value.lower()})" if runs else None


def _waits(instance: dg.DagsterInstance, job: str, planned: str) -> str | None:
    """After a run of the same plan: gathers stragglers for a while; after failures, waits twice as long each time."""
    runs = instance.get_run_records(
        dg.RunsFilter(job_name=job, statuses=FINISHED, tags={tags.PLANNED: planned}), limit=10
    )
    if not runs:
        return None
    successes = [run.dagster_run.status is dg.DagsterRunStatus.SUCCESS for run in runs]
    failures = successes.index(True) if any(successes) else len(runs)
    again = runs[0].update_timestamp + min(FIRST_WAIT * 2 ** max(failures - 1, 0), LONGEST_WAIT)
    if datetime.now(UTC) >= again:
        return None
    if failures:
        return f"the same plan failed {failures} times in a row; it is tried again after {again:%H:%M} UTC"
    return f"the same was done a moment ago; what else comes is gathered until {again:%H:%M} UTC"


def _asks_for_upgrade(instance: dg.DagsterInstance) -> bool:
    """Whether the last ingest was launched with the tag that asks for it."""
    runs = instance.get_runs(dg.RunsFilter(job_name=INGEST, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1)
    return bool(runs) and tags.UPGRADE in runs[0].tags


def _is_published(folder: DataFolder, plan: Plan) -> bool:
    """Whether readers have what is built; that the horizon moved alone is no news to them."""
    with closing(pipeline.open_store(folder)) as store:
        latest = next(iter(store.catalog.publications()), None)
        if latest is None:
            return not store.partitions
        given = latest.generation, latest.settings_hash
        return given == (store.catalog.generation(), publication.settings_hash(plan))


def _state(folder: DataFolder, settings: Settings, until: date, upgrade: bool) -> str:
    """All that a plan depends on, at a glance: store, settings, horizon, and this process with its code."""
    files = [folder.store / "catalog.sqlite", folder.store / "catalog.sqlite-wal", folder.warehouse]
    stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()]
    return digest([stamps, settings.model_dump(mode="json"), until.isoformat(), upgrade, os.getpid()])
