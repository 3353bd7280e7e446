"""The daily schedule: it launches `ingest`, and what the plan then names is built by the sensor."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from session_pipeline.defs import tags
from session_pipeline.settings import Settings


def make_schedules(settings: Settings, ingest: Any) -> Sequence[dg.ScheduleDefinition]:
    """The schedule, on by default: at `daily_at`, and when a source should have delivered, so that its check speaks."""
    times = {settings.daily_at, *(source.expected_by for source in settings.sources.values() if source.expected_by)}
    return [
        dg.ScheduleDefinition(
            name="daily",
            job=ingest,
            cron_schedule=sorted(map(_cron, times)),
            execution_timezone=settings.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Takes in what was delivered, every day at {' and '.join(sorted(times))} {settings.timezone}.",
            tags={tags.REASON: tags.SCHEDULE},
        )
    ]


def _cron(time: str) -> str:
    hour, minute = map(int, time.split(":"))
    return f"{minute} {hour} * * *"
