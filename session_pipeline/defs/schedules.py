"""The daily schedule, which launches `ingest`. The sensor `stale_days` then launches `build` (`defs.sensors`)."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from session_pipeline.defs import tags
from session_pipeline.settings import Settings


def make_schedules(settings: Settings, ingest: Any) -> Sequence[dg.ScheduleDefinition]:
    """Create the schedule, on by default: at `daily_at`, and at `expected_by` of each source.

    The ingest at `expected_by` evaluates the check that the source has delivered.
    """
    times = {settings.daily_at, *(source.expected_by for source in settings.sources.values() if source.expected_by)}
    return [
        dg.ScheduleDefinition(
            name="daily",
            job=ingest,
            cron_schedule=sorted(map(_cron, times)),
            execution_timezone=settings.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Ingests delivered files every day at {' and '.join(sorted(times))} {settings.timezone}.",
            tags={tags.REASON: tags.SCHEDULE},
        )
    ]


def _cron(time: str) -> str:
    hour, minute = map(int, time.split(":"))
    return f"{minute} {hour} * * *"
