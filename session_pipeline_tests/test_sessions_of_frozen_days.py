"""Tests sessions that begin on the last frozen day and continue on the first open day, as docs/privacy.md says."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.reference.days import ONE_DAY
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT, blocks
from session_pipeline_tests.expired_days import FIRST, FROZEN_BEFORE, RAW_DAYS, UNTIL, settings

pytestmark = pytest.mark.long  # each publishes several times

LAST_FROZEN = FROZEN_BEFORE - ONE_DAY
PURCHASE = {"event_name": "purchase", "value": 10}
PAGE = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
[QUERY] = [block.code for block in blocks(PAGE) if block.language == "sql"]


def event(day: date, time: str, **more: Any) -> dict[str, Any]:
    return {
        "visitor_id": "v",
        "event_time": f"{day}T{time}Z",
        "event_name": "page_view",
        "page_url": f"/{time}",
        **more,
    }


def built(folder: Path, *more: dict[str, Any], **changed: Any) -> Deployment:
    """Return a deployment with a session of the last frozen day; `more` are further events."""
    deployment = Deployment(folder, {**settings(raw=RAW_DAYS), **changed})
    session = [event(LAST_FROZEN, "23:40:00", user_id="ann"), event(LAST_FROZEN, "23:50:00")]
    deployment.deliver("first", [event(FIRST, "10:00:00"), *session, *more, event(UNTIL, "10:00:00")])
    deployment.run(UNTIL)
    assert deployment.query(QUERY) == []
    return deployment


def frozen(deployment: Deployment) -> dict[str, str]:
    """Return the hashes of the partitions of frozen days."""
    dates = {key: key.partition("[")[2][:10] for key in deployment.hashes()}
    return {key: sha256 for key, sha256 in deployment.hashes().items() if "" < dates[key] < str(FROZEN_BEFORE)}


def sessions(deployment: Deployment) -> list[tuple[Any, ...]]:
    """Return the sessions of the last frozen day and of the first open day."""
    return deployment.query(
        "select session_date, session_id, event_count, outcome, value from session_facts"
        f" where session_date in (date '{LAST_FROZEN}', date '{FROZEN_BEFORE}') order by started_at"
    )


def changes(deployment: Deployment) -> list[tuple[Any, ...]]:
    return deployment.query("select change, replaced_session_id, session_id, event_count from session_changes")


def test_late_event_moves_a_session_of_an_open_day_to_a_frozen_one(tmp_path: Path) -> None:
    deployment = built(tmp_path, event(FROZEN_BEFORE, "00:30:00", **PURCHASE))
    before, counted = frozen(deployment), sessions(deployment)
    (day, session_id, *figures), (_, moved_id, *_) = counted
    assert (day, figures) == (LAST_FROZEN, [2, "engaged", None])
    deployment.deliver("late", [event(FROZEN_BEFORE, "00:10:00")])
    assert deployment.run(UNTIL)
    assert (frozen(deployment), sessions(deployment)) == (before, counted[:1])
    moved = deployment.query("select event_date, session_id, event_number from events where event_name = 'purchase'")
    assert moved == [(FROZEN_BEFORE, session_id, 4)]
    assert changes(deployment) == [("merged", moved_id, session_id, 1)]
    assert deployment.query(QUERY) == [(LAST_FROZEN, session_id, 2, 4)]


@pytest.mark.parametrize("cause", ["setting", pytest.param("late event", marks=pytest.mark.nightly)])
def test_frozen_session_still_counts_events_that_a_later_break_takes_away(cause: str, tmp_path: Path) -> None:
    purchase = event(FROZEN_BEFORE, "00:10:00", **PURCHASE)
    deployment = built(tmp_path, purchase, sessions={"split_on_user": True})
    before, [counted] = frozen(deployment), sessions(deployment)
    assert counted[2:] == (3, "purchase", 10)
    if cause == "setting":
        deployment.set({**settings(raw=RAW_DAYS), "sessions": {"inactivity_minutes": 15}})
    else:
        deployment.deliver("late", [event(FROZEN_BEFORE, "00:05:00", user_id="ben")])
    assert deployment.run(UNTIL)
    assert frozen(deployment) == before
    first, second = sessions(deployment)
    assert first == counted
    assert (second[0], *second[2:]) == (FROZEN_BEFORE, 1 if cause == "setting" else 2, "purchase", 10)
    assert deployment.query(QUERY) == [(LAST_FROZEN, counted[1], 3, 2)]
    assert changes(deployment) == [("split", counted[1], second[1], 1)]
