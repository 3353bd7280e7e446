"""Defines times in the sample, which are whole milliseconds since 1970 in UTC, and writes them as text."""

from datetime import date, timedelta
from functools import cache

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

INACTIVITY = 30 * MINUTE
"""The longest gap within a session with the default settings. A gap of one millisecond more ends the session."""

_EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Return the days since 1970. Multiplied by `DAY`, this is the first millisecond of the day."""
    return (day - _EPOCH).days


@cache
def date_text(number: int) -> str:
    """Return the date of a day number in ISO 8601, such as 2026-10-05."""
    return (_EPOCH + timedelta(days=number)).isoformat()


def time_text(time: int, offset_minutes: int = 0) -> str:
    """Return a time as ISO 8601 with milliseconds, in UTC (`Z`) or as local time with the offset."""
    day, within_day = divmod(time + offset_minutes * MINUTE, DAY)
    seconds, milliseconds = divmod(within_day, SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    zone = "Z"
    if offset_minutes:
        sign = "+" if offset_minutes > 0 else "-"
        zone = "{}{:02}:{:02}".format(sign, *divmod(abs(offset_minutes), 60))
    return f"{date_text(day)}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}{zone}"
