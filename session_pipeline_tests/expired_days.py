"""A deployment with delivered days of which the first have expired, and what its settings are."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from session_pipeline.reference.days import ONE_DAY
from session_pipeline.run.pipeline import open_folder
from session_pipeline.settings.privacy import LONGEST_READ_DAYS
from session_pipeline_tests.deployment import Deployment

FIRST = date(2024, 3, 1)
RAW_DAYS, EVENT_DAYS = 10, 13
KEEP = {"raw": RAW_DAYS, "events": EVENT_DAYS, "aggregates": RAW_DAYS + LONGEST_READ_DAYS}
UNTIL = FIRST + 17 * ONE_DAY
FROZEN_BEFORE = UNTIL - (RAW_DAYS - 1) * ONE_DAY
EVENTS_FROM = UNTIL - (EVENT_DAYS - 1) * ONE_DAY


def lines(day: date, visitor: str = "v") -> list[dict[str, Any]]:
    """Return three events of a day, two sessions: the last one goes on after midnight."""
    times = ("10:00:00", "10:10:00", "23:55:00")
    return [
        {"visitor_id": visitor, "event_time": f"{day}T{time}Z", "event_name": "page_view", "page_url": f"/{time}"}
        for time in times
    ]


def settings(**keep: int) -> dict[str, Any]:
    """Return settings with these keep_days."""
    return {"start_date": FIRST, "privacy": {"keep_days": keep} if keep else {}}


def deliver(deployment: Deployment, first: date, count: int) -> None:
    """Deliver a file for each of some days: its lines, and one that is no event."""
    for number in range(count):
        day = first + number * ONE_DAY
        deployment.deliver(str(day), [*lines(day), f"no event of {day}"])


@dataclass(frozen=True)
class Expired:
    """A deployment before and after its old days expired."""

    deployment: Deployment
    before: dict[str, str]
    planned: dict[str, Any]


def build_expired(folder: Path) -> Expired:
    """Build a deployment whose first days have expired."""
    deployment = Deployment(folder, settings())
    deliver(deployment, FIRST, 18)
    deployment.run(UNTIL)
    before = deployment.hashes()
    deployment.set(settings(**KEEP))
    with open_folder(deployment.folder, until=UNTIL) as opened:
        found = opened.expiry()
        planned = {"frozen_before": found.frozen_before, "drop": found.drop, "is_done": opened.is_done()}
    assert deployment.run(UNTIL) == []
    return Expired(deployment, before, planned)
