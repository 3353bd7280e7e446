"""The sensors: `landing` launches `ingest` for files to read, `stale_days` launches `build` for what the plan contains.

Both look at the current state, not at past events. Missed ticks, gaps and late files are therefore caught up regardless
of their age. This is also how a build follows an ingest, however the ingest was launched: a sensor on its success would
add nothing to the plan. Neither sensor launches anything while a run is queued or in progress, and a build waits for
files that are to be read again; `defs.waiting` finds the reasons. A third sensor sends alerts, which `defs.alerts`
finds.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from typing import Any

import dagster as dg

from session_pipeline import report
from session_pipeline.build.plan import Plan
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import alerts, code_location, tags, waiting
from session_pipeline.defs.jobs import BUILD, INGEST, REPORT, UNDATED
from session_pipeline.defs.partitions import BuiltDays
from session_pipeline.defs.same_folder import require_own_history
from session_pipeline.errors import OtherHistoryError, SettingsError
from session_pipeline.ingest.ledger import DAMAGED_ROWS
from session_pipeline.publish import published_state
from session_pipeline.run import delivered_files, pipeline
from session_pipeline.settings import AlertSettings, Settings, load_settings
from session_pipeline.store.catalog_file import CATALOG_FILE
from session_pipeline.store.files import digest

LANDING_SECONDS = 60
BUILD_SECONDS = 10  # a tick is cheap if the state has not changed
LOADING = "loading since "  # prefix of the cursor of stale_days while the definitions are reloaded
LONGEST_LOADING = timedelta(seconds=75)  # the daemon checks for new definitions every minute
Requests = Iterator[dg.RunRequest | dg.SkipReason]
Tick = Callable[[dg.SensorEvaluationContext], Requests]


def make_sensors(
    folder: DataFolder, alert_settings: AlertSettings, ingest: Any, build: Any, days: BuiltDays
) -> Sequence[dg.SensorDefinition]:
    """Create the landing sensor, the build sensor and the alert sensor of a data folder, all on by default.

    Args:
        folder: The data folder.
        alert_settings: The alert settings to use while settings.toml is invalid; an invalid file itself causes alerts.
        ingest: The job that ingests delivered files.
        build: The job that builds and publishes.
        days: The days that are partitions in the definitions that are loaded now.
    """
    return [_landing_sensor(folder, ingest), _build_sensor(folder, build, days), _alert_sensor(folder, alert_settings)]


def _landing_sensor(folder: DataFolder, ingest: Any) -> dg.SensorDefinition:
    @dg.sensor(
        name=waiting.LANDING,
        job=ingest,
        minimum_interval_seconds=LANDING_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches ingest when a file under raw/ is new or changed, or must be read again.",
    )
    @_skips_if_unusable(folder)
    def landing(context: dg.SensorEvaluationContext) -> Requests:
        if busy := waiting.why_busy(context.instance, folder):
            yield dg.SkipReason(busy)
            return
        with closing(pipeline.open_store(folder)) as store:
            files = delivered_files.files_to_read(folder, load_settings(folder.path), store)
        settled = waiting.settled_files(folder, files)
        landed = waiting.files_id(settled)
        if not settled:
            yield dg.SkipReason("files are still being delivered" if files else "no new file under raw/")
        elif waits := waiting.why_after_run(context.instance, INGEST, landed):
            yield dg.SkipReason(waits)
        else:
            first = next(iter(settled))
            context.log.info(f"{len(settled)} files to read; the first is {first}: {files[first]}")
            are_damaged = all(files[name] == DAMAGED_ROWS for name in settled)
            reason = tags.DAMAGED if are_damaged else tags.LANDING
            yield dg.RunRequest(tags={tags.REASON: reason, tags.PLANNED: landed})

    return landing


def _build_sensor(folder: DataFolder, build: Any, days: BuiltDays) -> dg.SensorDefinition:
    @dg.sensor(
        name="stale_days",
        job=build,
        minimum_interval_seconds=BUILD_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches build for each range of days in the plan, to publish, and for a report that is missing.",
    )
    @_skips_if_unusable(folder)
    def stale_days(context: dg.SensorEvaluationContext) -> Requests:
        if busy := waiting.why_busy(context.instance, folder):
            yield dg.SkipReason(busy)
            return
        settings = load_settings(folder.path)
        until = pipeline.horizon(settings, None)
        upgrade = _asks_for_upgrade(context.instance)
        state = _state(folder, settings, until, upgrade)
        if context.cursor == state:
            yield dg.SkipReason("all days are up to date, and nothing has changed since the last tick")
            return
        if reads_first := waiting.why_read_first(context.instance, folder, settings):
            yield dg.SkipReason(reads_first)
            return
        plan = pipeline.current_plan(folder, settings, until, upgrade=upgrade)
        if days.is_outdated(plan.frame.wanted, settings, until):
            code_location.reload_once(context.code_location_origin)
            if not (context.cursor or "").startswith(LOADING):
                context.update_cursor(f"{LOADING}{datetime.now(UTC).isoformat()}")
        if _is_loading(context.cursor):
            yield dg.SkipReason("other days have events now; the definitions are reloaded first")
            return
        is_published = not plan.items and _is_published(folder, plan)
        if is_published and (report.is_current(folder) or not folder.warehouse.is_file()):
            context.update_cursor(state)
            yield dg.SkipReason("all days are up to date")
            return
        planned = _report_id(folder) if is_published else tags.plan_id(plan)
        instance = context.instance
        if waits := waiting.why_after_cancel(instance) or waiting.why_after_run(instance, BUILD, planned):
            yield dg.SkipReason(waits)
        elif is_published:  # the run that published was killed before it wrote the report, or could not write it
            yield dg.RunRequest(
                tags={**tags.planned(plan, tags.reason_of(plan)), tags.PLANNED: planned}, asset_selection=[REPORT]
            )
        else:
            with closing(pipeline.open_store(folder)) as store:
                unpublished = published_state.unpublished_days(store)
            yield from run_requests(plan, unpublished, upgrade=upgrade)

    return stale_days


def _alert_sensor(folder: DataFolder, alert_settings: AlertSettings) -> dg.SensorDefinition:
    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=alerts.ALERT_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends each failed run and check once to the [alerts] command. Launches nothing.",
    )
    def send_alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        try:
            require_own_history(context.instance, folder)
            settings = load_settings(folder.path).alerts
        except OtherHistoryError as error:
            return dg.SkipReason(str(error))
        except SettingsError:
            settings = alert_settings
        if not settings.command:
            return dg.SkipReason("settings.toml has no [alerts] command")
        waiting.why_busy(context.instance, folder)  # marks runs of dead processes as failed, so that they cause alerts
        problems: list[str] = []
        sent = alerts.send_new(context.instance, folder, settings, problems.append)
        for problem in problems:
            context.log.error(problem)
        return dg.SkipReason("; ".join([*([f"alerts sent: {sent}"] if sent else []), *problems]) or "no new alert")

    return send_alerts


def _skips_if_unusable(folder: DataFolder) -> Callable[[Tick], Tick]:
    """Return a decorator: the sensor skips while the settings are invalid, or in the history of another folder.

    The reason is the error. If the sensor failed instead, each tick would write a traceback to the log of the daemon,
    every few seconds.
    """

    def decorated(tick: Tick) -> Tick:
        @wraps(tick)
        def skipping(context: dg.SensorEvaluationContext) -> Requests:
            try:
                require_own_history(context.instance, folder)
                yield from tick(context)
            except (SettingsError, OtherHistoryError) as error:
                yield dg.SkipReason(str(error))

        return skipping

    return decorated


def run_requests(plan: Plan, unpublished: Sequence[date], *, upgrade: bool) -> Requests:
    """Yield a build for each range of days or, if there is none, one build of the assets without partitions.

    The latter happens if only tables without days are stale, or if only the settings changed.

    Args:
        plan: The plan.
        unpublished: Days that were built but not published; see `Plan.ranges`.
        upgrade: Whether days with changed settings or models are built without the max_rebuild_days limit.
    """
    ranges = plan.ranges(unpublished)
    for first, last in ranges:
        reason = tags.UPGRADED if upgrade and plan.items else tags.reason_of(plan, first, last)
        yield dg.RunRequest(tags=tags.run_tags(plan, first.isoformat(), last.isoformat(), reason, upgrade=upgrade))
    if not ranges:
        yield dg.RunRequest(tags=tags.planned(plan, tags.reason_of(plan)), asset_selection=UNDATED)


def _report_id(folder: DataFolder) -> str:
    """Return a hash of the published state, to recognize a run that only writes the report about it."""
    return digest(["report", folder.warehouse.stat().st_mtime_ns])[:12]


def _is_loading(cursor: str | None) -> bool:
    """Return whether the daemon may still have old definitions; it cannot launch runs for days that these lack."""
    if not (cursor or "").startswith(LOADING):
        return False
    return waiting.is_recent(datetime.fromisoformat(str(cursor).removeprefix(LOADING)), LONGEST_LOADING)


def _asks_for_upgrade(instance: dg.DagsterInstance) -> bool:
    """Return whether the last successful ingest has the UPGRADE tag."""
    runs = instance.get_runs(dg.RunsFilter(job_name=INGEST, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1)
    return bool(runs) and tags.UPGRADE in runs[0].tags


def _is_published(folder: DataFolder, plan: Plan) -> bool:
    """Return whether readers have what is built; a horizon that moved without new rows needs no publication."""
    with closing(pipeline.open_store(folder)) as store:
        return not store.partitions or published_state.shows_what_is_built(folder, store, plan)


def _state(folder: DataFolder, settings: Settings, until: date, upgrade: bool) -> str:
    """Return a cheap hash of all that a tick depends on: store, settings, horizon, and this process with its code.

    The report is a part of it, so that a report that was deleted is written again.
    """
    published = [folder.warehouse, folder.reports / report.FILE_NAME]
    catalog = folder.store / CATALOG_FILE
    files = [catalog, catalog.with_name(f"{catalog.name}-wal"), *published]
    stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()]
    return digest([stamps, settings.model_dump(mode="json"), until.isoformat(), upgrade, os.getpid()])
