"""Finds alerts in the history of runs: failed runs, and checks that do not hold.

Every run is examined once after it ended, however it was launched: command line, cron, schedule, sensor or UI. This
includes runs that were marked as failed because their process died. `run.alerts` remembers which alerts were sent, and
sends new ones to the alert command.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import tags
from session_pipeline.defs.check_results import PROBLEMS, sentence_of
from session_pipeline.defs.failures import was_interrupted, why
from session_pipeline.run import alerts
from session_pipeline.run.alerts import Alert, Cursor, Passed
from session_pipeline.settings import AlertSettings

PAGE = 500  # runs examined per call; the next call examines the rest
FIRST_RUNS = 50  # number of latest runs that the first call examines
ALERT_SECONDS = 30
VARYING = re.compile(r"(?<!\S)/\S+|\d[\d.,]*")  # paths and numbers: another file or size does not make another alert
ENDINGS: tuple[Any, ...] = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,  # no failure by itself, but its checks can have failed
)
PROBLEM_EVENTS = {  # event types that describe a problem
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.ENGINE_EVENT,  # of a process that could not load the definitions
}


def send_new(
    instance: dg.DagsterInstance, folder: DataFolder, settings: AlertSettings, log: Callable[[str], None]
) -> int:
    """Send the alerts of all runs that ended since the last call; returns how many were sent."""

    def results(cursor: Cursor | None) -> tuple[Iterable[Alert | Passed], Cursor]:
        after, time = cursor if isinstance(cursor, list) else (cursor, None)
        if _begins_again(instance, after, time):
            after = None
        ended = _ended(instance, None if after is None else int(after))
        happened = [one for record in ended for one in _of_run(instance, folder, record)]
        last = max((record.storage_id for record in ended), default=after or 0)
        return happened, [last, max((record.timestamp for record in ended), default=time or 0.0)]

    return alerts.send_new(folder.dagster_home, settings, results, log)


def _begins_again(instance: dg.DagsterInstance, last: float | None, time: float | None) -> bool:
    """Whether the history was deleted since the last look, and its ids begin with 1 again.

    Then a run that ended later than all runs seen so far has an id that was seen. Records of older versions have no
    time (None).
    """
    if last is None or time is None:
        return False
    return any(
        instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(ending, after_timestamp=time, before_storage_id=int(last) + 1), limit=1
        ).records
        for ending in ENDINGS
    )


def _ended(instance: dg.DagsterInstance, cursor: int | None) -> list[dg.EventLogRecord]:
    """Return the runs that ended after a cursor, ordered by when they ended."""
    is_first = cursor is None
    found: list[dg.EventLogRecord] = []
    limit = FIRST_RUNS if is_first else PAGE
    for ending in ENDINGS:
        after = dg.RunStatusChangeRecordsFilter(ending, after_storage_id=cursor)
        found += instance.fetch_run_status_changes(after, limit=limit, ascending=not is_first).records
    found.sort(key=lambda record: record.storage_id)
    return found[-FIRST_RUNS:] if is_first else found[:PAGE]


def _of_run(instance: dg.DagsterInstance, folder: DataFolder, ended: dg.EventLogRecord) -> Iterator[Alert | Passed]:
    run = instance.get_run_by_id(ended.run_id)
    if run is None:
        return  # it was deleted
    events = [
        record.event_log_entry.dagster_event
        for record in instance.get_records_for_run(run.run_id, of_type=PROBLEM_EVENTS).records
        if record.event_log_entry.dagster_event is not None
    ]
    first, last = tags.first_and_last_day(run.tags)
    facts = {
        "data_folder": str(folder.path),
        "job": run.job_name,
        "run_id": run.run_id,
        "launched_by": tags.reason_of_run(run.tags),
        "first_day": first or None,
        "last_day": last or None,
        "time": datetime.fromtimestamp(ended.timestamp, UTC).isoformat(timespec="seconds"),
    }
    for event in events:
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            yield _of_check(event.asset_check_evaluation_data, facts)
    about = f"job {run.job_name}"
    if run.status is dg.DagsterRunStatus.SUCCESS:
        yield Passed(about)
    elif run.status is dg.DagsterRunStatus.FAILURE and not was_interrupted(events):
        sentence = why(events)
        yield Alert("run_failed", about, sentence, {**facts, "severity": "error"}, (VARYING.sub("#", sentence),))


def _of_check(check: Any, facts: dict[str, Any]) -> Alert | Passed:
    about = f"check {check.check_name}"
    if check.passed:
        return Passed(about, facts["first_day"], facts["last_day"])
    is_error = check.severity is dg.AssetCheckSeverity.ERROR
    more = {
        "severity": "error" if is_error else "warn",
        "check": check.check_name,
        "table": check.asset_key.to_user_string(),
    }
    problems = check.metadata[PROBLEMS].value if PROBLEMS in check.metadata else ()
    what = "check_failed" if is_error else "check_warned"
    return Alert(what, about, sentence_of(check), {**facts, **more}, tuple(problems))
