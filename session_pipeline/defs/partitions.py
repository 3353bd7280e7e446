"""The days that Dagster offers as partitions: those that are built, so that a healthy deployment has no missing day.

Dagster keeps a partitions definition as it was when the code location was loaded. So the days are read from the catalog
at each load: each run loads them in its own process, and the sensor `stale_days` has the code location loaded again
when they are others. What is built is decided by the plan, never by this.
"""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import dagster as dg

from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import SessionPipelineError
from session_pipeline.reference.days import dates
from session_pipeline.run import pipeline
from session_pipeline.settings import Settings

MOST_LEFT_OUT = 2_000  # Dagster looks through all days that are left out for each day that it is asked about


@dataclass(frozen=True)
class BuiltDays:
    """The first day to build, and the days after it that have nothing to build. Days after the last one are new."""

    first: date
    left_out: tuple[date, ...] = ()

    def definition(self, settings: Settings) -> dg.DailyPartitionsDefinition:
        """The partitions; they go on with each day that ends, and with include_today by the day that has begun."""
        return dg.DailyPartitionsDefinition(
            start_date=self.first.isoformat(),
            timezone=settings.timezone,
            end_offset=1 if settings.include_today else 0,
            exclusions=[datetime.combine(day, time()) for day in self.left_out] or None,
        )

    def is_outdated(self, wanted: Iterable[date], settings: Settings, until: date) -> bool:
        """Whether a day that the plan wants is no partition, or one that lies back a while can only be missing.

        The last day gets its time: its events may be on their way.
        """
        found = set(wanted)
        if not found:
            return False
        now = of_wanted(found, settings, until)
        return (
            now.first != self.first
            or not found.isdisjoint(self.left_out)
            or any(day < until and day not in self.left_out for day in now.left_out)
        )


def built_days(folder: DataFolder, settings: Settings) -> BuiltDays:
    """The days to build as the catalog has them now.

    A store that cannot be opened leaves out no day: the runs say what is wrong with it.
    """
    until = pipeline.horizon(settings, None)
    try:
        with closing(pipeline.open_store(folder)) as store:
            wanted = pipeline.make_planner(settings, store, until).frame.wanted
    except SessionPipelineError:
        return BuiltDays(settings.start_date)
    return of_wanted(wanted, settings, until)


def of_wanted(wanted: Iterable[date], settings: Settings, until: date) -> BuiltDays:
    """The partitions for the days that the plan wants; without any, the last day that could have events."""
    found = set(wanted)
    if not found:
        return BuiltDays(max(until, settings.start_date))
    first = min(found)
    # Today is not over: it may have events yet.
    last = until - timedelta(days=1) if settings.include_today else until
    left_out = [day for day in dates(first, last) if day not in found]
    return BuiltDays(first, tuple(left_out[-MOST_LEFT_OUT:]))
