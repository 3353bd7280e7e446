"""Tests the histories of visitors on frozen days from which one of several users was erased.

The first of October is frozen. test_erased_frozen_days.py tests the other tables.
"""

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from session_pipeline.run.person import Person
from session_pipeline.run.pipeline import open_run
from session_pipeline.store.records import Written
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.erasures import CANARY_USER, event, texts_left
from session_pipeline_tests.frozen_days import SETTINGS, UNTIL, deployed, erase, pairs

pytestmark = pytest.mark.long

# By table of visitors, the columns that equal those of a run without the erased user; none: all columns.
HISTORIES = {
    **dict.fromkeys(("visitor_states", "visitor_days", "visitors", "retention"), ()),
    "session_facts": ("site", "visitor_id", "started_at", "visit_number", "lifecycle"),
}


def at(visitor: str, time: str, user: str, **more: Any) -> dict[str, Any]:
    return event(
        visitor, 1, 0, user_id=user, **{"event_id": f"{visitor}/{time}", "event_time": f"2026-{time}Z", **more}
    )


def histories_of(deployment: Deployment) -> dict[str, list[tuple[str, ...]]]:
    found = {
        name: pairs(deployment, name, *(columns or deployment.table(name).columns))
        for name, columns in HISTORIES.items()
    }
    # The sessions of earlier days have expired.
    return {**found, "session_facts": [row for row in found["session_facts"] if row[2] >= "2026-09-30"]}


@pytest.mark.nightly
def test_visitor_of_several_users_has_the_history_of_those_that_stay(tmp_path: Path) -> None:
    """On two days only the erased user comes; on others the user is the first, or comes between two others.

    The days before 30 September have no sessions any more. 24 September closes a block of ten days.
    """
    start = date(2026, 9, 20)
    lines = [
        at("tablet", "09-20T10:00:00", CANARY_USER, utm_campaign="secret", event_name="purchase", value=2),
        at("tablet", "09-21T10:00:00", "ann"),
        at("tablet", "09-30T10:00:00", CANARY_USER, event_name="purchase", value=7),
        at("tablet", "10-01T10:00:00", CANARY_USER, referrer="https://www.google.com/"),
        at("tablet", "10-01T12:00:00", "ann", event_name="purchase", value=5),
        at("tablet", "10-02T10:00:00", "ann"),
        at("tablet", "10-02T12:00:00", CANARY_USER),
        at("tablet", "10-02T14:00:00", "ann"),
        at("tablet", "10-09T10:00:00", "ann"),
        at("new", "10-01T10:00:00", CANARY_USER),
        at("new", "10-02T10:00:00", "ann"),
        *(at("other", f"{start + timedelta(days=number):%m-%d}T11:00:00", "bob") for number in range(20)),
    ]
    settings = {**SETTINGS, "start_date": start}
    deployment = deployed(
        tmp_path / "data", {**settings, "privacy": {"keep_days": {"raw": 7, "events": 10}}}, test=lines
    )
    before = {name: deployment.table(name) for name in ("daily_visitors", "daily_breakdowns")}
    held = erase(deployment, Person(None, CANARY_USER, None))
    assert held.shared_visitors == (("main", "new"), ("main", "tablet"))
    clean = Deployment(tmp_path / "clean", {**settings, "privacy": {}})
    for path in (deployment.folder.visitor_key, deployment.folder.erasures):
        shutil.copyfile(path, clean.folder.path / path.name)
    clean.deliver("events", lines)
    clean.run(UNTIL)
    assert histories_of(deployment) == histories_of(clean)
    # Counts of frozen days stay.
    for name, rows in before.items():
        frozen = rows["session_date"].astype(str) < "2026-10-03"
        assert deployment.table(name)[frozen].equals(rows[frozen])


def test_days_without_sessions_do_not_name_an_erased_session_as_the_first(tmp_path: Path) -> None:
    """The session begins on a day that has expired, with another user; only the erased user's events are left."""
    lines = [
        at("tablet", "09-29T23:50:00", "ann"),
        at("tablet", "09-30T00:05:00", CANARY_USER),
        at("tablet", "10-01T10:00:00", CANARY_USER),
        at("other", "10-09T10:00:00", "bob"),
    ]
    settings = {**SETTINGS, "start_date": date(2026, 9, 20), "privacy": {"keep_days": {"raw": 7, "events": 10}}}
    deployment = deployed(tmp_path, settings, test=lines)
    held = erase(deployment, Person(None, CANARY_USER, None))
    assert (held.shared_visitors, len(held.session_ids)) == ((("main", "tablet"),), 2)
    assert texts_left(deployment, list(held.session_ids)) == []


def without_columns(deployment: Deployment, name: str, columns: set[str]) -> None:
    """Change the partitions of a table to those of an older version, which did not have these columns."""
    with open_run(deployment.folder, run_id="older", until=UNTIL) as run:
        written = []
        for partition in run.store.of_table(name):
            [path] = run.store.paths_of(partition)
            older = run.store.scratch / f"{partition.key.date}.parquet"
            pq.write_table(pq.read_table(path, partitioning=None).drop_columns(sorted(columns)), older)
            parts, counts = dict(partition.parts), dict(partition.counts)
            written.append(Written(partition.key, older, partition.row_count, partition.fingerprint, parts, counts))
        run.store.commit(written, run_id="older")


@pytest.mark.nightly
def test_history_is_computed_from_sessions_of_an_older_version(tmp_path: Path) -> None:
    """Frozen days do not get columns that a later version added: the number of a session, and the life cycle."""
    lines = [
        at("tablet", "10-01T10:00:00", CANARY_USER),
        at("tablet", "10-01T12:00:00", "ann", utm_campaign="first"),
        at("tablet", "10-01T14:00:00", "ann", utm_campaign="second"),
        at("tablet", "10-09T10:00:00", "ann"),
    ]
    deployment = deployed(tmp_path / "data", SETTINGS, test=lines)
    without_columns(deployment, "sessions", {"day_session_number"})
    without_columns(deployment, "session_facts", {"lifecycle"})
    erase(deployment, Person(None, CANARY_USER, None))
    [first] = [row for row in deployment.records("visitor_states") if row["session_date"] == date(2026, 10, 1)]
    [session, _] = [row for row in deployment.records("sessions") if row["session_date"] == date(2026, 10, 1)]
    assert (first["first_session_id"], first["first_utm_campaign"]) == (session["session_id"], "first")
    assert pairs(deployment, "session_facts", "started_at", "visit_number")[:2] == [
        ("2026-10-01 12:00:00", "1"),
        ("2026-10-01 14:00:00", "2"),
    ]
