"""A week of events that is built, and the clean run that it is compared with, for tests of later runs."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

from session_pipeline_tests.deployment import Deployment

UNTIL = date(2026, 10, 20)


def event(visitor: str, time: str, number: int, name: str = "page_view", **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"{visitor}-{number}",
        "visitor_id": visitor,
        "event_time": time,
        "event_name": name,
        "page_url": f"https://shop.example/{name}",
        **more,
    }


def day_of_events(day: int) -> list[dict[str, Any]]:
    return [
        event(f"v{visitor}", f"2026-10-{day:02}T{10 + visitor}:{minute:02}:00Z", day * 100 + minute)
        for visitor in range(3)
        for minute in (0, 10, 20)
    ]


def build_week(folder: Path) -> Deployment:
    deployment = Deployment(folder)
    for day in range(5, 12):
        deployment.deliver(f"day-{day}", day_of_events(day))
    deployment.run(UNTIL)
    return deployment


def clean(deployment: Deployment, folder: Path) -> dict[str, str]:
    """Return the hashes of a clean run over everything delivered."""
    again = Deployment(folder)
    shutil.copytree(deployment.folder.raw, folder / "raw")
    shutil.copyfile(deployment.folder.settings, folder / "settings.toml")
    again.run(UNTIL, publishes=False)
    return again.hashes()
