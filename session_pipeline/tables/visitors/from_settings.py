"""Provides the small tables that the models of visitors read: lengths of blocks, cohorts, and periods of retention."""

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.tables.blocks import BLOCK_DAYS
from session_pipeline.tables.parameters import DAYS_OF_WEEK


def block_lengths(settings: Settings) -> SmallTable:
    """Return the lengths of blocks of days: (block_days)."""
    return SmallTable({"block_days": "BIGINT"}, [{"block_days": length} for length in BLOCK_DAYS])


def cohort_names(settings: Settings) -> SmallTable:
    """Return what a cohort did for the first time on its day: (cohort)."""
    return SmallTable({"cohort": "VARCHAR"}, [{"cohort": "first_visit"}, {"cohort": "first_conversion"}])


def retention_periods(settings: Settings) -> SmallTable:
    """Return the periods of retention: (period, periods_after, first_day_after, last_day_after).

    The days of a period are counted from the day of the cohort, which is day 0.
    """
    lengths = {"day": (1, settings.visitors.retention_days), "week": (DAYS_OF_WEEK, settings.visitors.retention_weeks)}
    rows = [
        {
            "period": period,
            "periods_after": number,
            "first_day_after": number * days,
            "last_day_after": (number + 1) * days - 1,
        }
        for period, (days, last) in lengths.items()
        for number in range(last + 1)
    ]
    types = {"period": "VARCHAR", "periods_after": "BIGINT", "first_day_after": "BIGINT", "last_day_after": "BIGINT"}
    return SmallTable(types, rows)
