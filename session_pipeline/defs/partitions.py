"""The days that Dagster shows as partitions: only days that are built, so that a healthy deployment has no missing day.

Dagster keeps a partitions definition unchanged until the code location is loaded again. The days are therefore read
from the catalog at each load. Each run loads them in its own process, and the sensor `stale_days` reloads the code
location when they change. This module does not decide what is built; the plan does (`build.planner`).
"""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import dagster as dg

from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import SessionPipelineError
from session_pipeline.reference.days import Calendar, dates
from session_pipeline.run import pipeline
from session_pipeline.settings import Settings
from session_pipeline.store.store import Store

MOST_LEFT_OUT = 2_000  # Dagster searches all excluded days for each day that it looks up
OVER_AFTER = timedelta(days=31)  # data that ended longer ago gets an end instead of more and more excluded days


class Days(dg.DailyPartitionsDefinition):
    """Daily partitions whose keys are computed once for each last day.

    In each step of a run, Dagster asks for all keys of each table that a table without days reads.
    """

    def get_partition_keys(
        self, current_time: datetime | None = None, dynamic_partitions_store: Any = None
    ) -> Sequence[str]:
        """Return the keys of all days until now, or until a given time."""
        with dg.partition_loading_context(current_time, dynamic_partitions_store):
            last = self.get_last_partition_key()
            kept: dict[str | None, Sequence[str]] = self.__dict__.setdefault("_kept", {})
            if last not in kept:
                kept.clear()
                kept[last] = super().get_partition_keys()
            return list(kept[last])


@dataclass(frozen=True)
class BuiltDays:
    """The days that are partitions: all days from the first one on, except those that are not built.

    Attributes:
        first: The first day to build.
        left_out: Days after it that have nothing to build.
        end: The first day after the last one, if the data ended long ago; otherwise None.
    """

    first: date
    left_out: tuple[date, ...] = ()
    end: date | None = None

    def definition(self, settings: Settings) -> dg.DailyPartitionsDefinition:
        """Create the partitions definition.

        Without an end, it grows by each day that ends; with include_today, it also has today.
        """
        return Days(
            start_date=self.first.isoformat(),
            end_date=self.end.isoformat() if self.end else None,
            timezone=settings.timezone,
            end_offset=1 if settings.include_today and not self.end else 0,
            exclusions=[datetime.combine(day, time()) for day in self.left_out] or None,
        )

    def is_outdated(self, wanted: Iterable[date], settings: Settings, until: date) -> bool:
        """Return whether the partitions differ from the wanted days.

        A wanted day is not a partition, or a partition before the last day (`until`) is not wanted. The last day itself
        is left out of the second test, because its events may not be delivered yet.
        """
        found = set(wanted)
        if not found:
            return False
        now = of_wanted(found, settings, until)
        return (
            (now.first, now.end) != (self.first, self.end)
            or not found.isdisjoint(self.left_out)
            or any(day < until and day not in self.left_out for day in now.left_out)
        )


def built_days(folder: DataFolder, settings: Settings) -> BuiltDays:
    """Return the days to build according to the current catalog.

    If the store cannot be opened, all days from start_date on are partitions; the runs report the error.
    """
    try:
        with closing(pipeline.open_store(folder)) as store:
            return days_of(store, settings)
    except SessionPipelineError:
        return BuiltDays(settings.start_date)


def days_of(store: Store, settings: Settings) -> BuiltDays:
    """Return the days to build according to the catalog of an open store."""
    until = pipeline.horizon(settings, None)
    return of_wanted(pipeline.make_planner(settings, store, until).frame.wanted, settings, until)


def of_wanted(wanted: Iterable[date], settings: Settings, until: date) -> BuiltDays:
    """Return the partitions for the days that the plan wants or, if none, the last day that can have events."""
    found = set(wanted)
    if not found:
        return BuiltDays(max(until, settings.start_date))
    first = min(found)
    # Today is not excluded: its events may not be delivered yet.
    last = until - timedelta(days=1) if settings.include_today else until
    is_over = last - max(found) > OVER_AFTER
    # A date that the time zone skips is no partition, and its midnight, to be excluded, is that of the next date.
    exists = Calendar(settings.timezone).exists
    left_out = [day for day in dates(first, max(found) if is_over else last) if day not in found and exists(day)]
    end = max(found) + timedelta(days=1) if is_over else None
    return BuiltDays(first, tuple(left_out[-MOST_LEFT_OUT:]), end)
