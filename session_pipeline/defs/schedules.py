"""The daily schedule: it launches `ingest`, and what the plan then names is built by the sensor."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from session_pipeline.defs import tags
from session_pipeline.settings import Settings


def make_schedules(settings: Settings, ingest: Any) -> Sequence[dg.ScheduleDefinition]:
    """The schedule at `daily_at`, on by default."""
    hour, minute = str(settings.daily_at)[:5].split(":")
    return [
        dg.ScheduleDefinition(
            name="daily",
            job=ingest,
            cron_schedule=f"{int(minute)} {int(hour)} * * *",
            execution_timezone=settings.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Every day: take in what was delivered; the plan decides what to build.",
            tags={tags.REASON: "schedule"},
        )
    ]
