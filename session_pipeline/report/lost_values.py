"""Says what lost conversions are worth, in the currency of the site and the days that the value comes from.

Tables add the values of all currencies; such a sum means nothing, so it is not shown. figures.py has the value of the
week, by currency. The check of alerts uses this module, too.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from session_pipeline.reference.changes import BASE_DAYS
from session_pipeline.report import formats
from session_pipeline.report.figures import Row, run_query
from session_pipeline.tables import statistics

SEVERAL = "XXX"
QUERY = "flaw_currencies"
VALUE = re.compile(r", worth about -?[\d,]+(?=\.)")
LOWER_BOUND = re.compile(r"\bat least about \d", re.IGNORECASE)


@dataclass(frozen=True)
class LostValue:
    """A value that is missing, the site it comes from, and the days whose conversions give it."""

    value: float
    site: str
    first_day: date
    last_day: date


def of_step(row: Row) -> LostValue | None:
    """Return the lost value of a changed step; its window is compared with the days before it."""
    return _lost(row, row["last_alert_day"], row["window_days"] + BASE_DAYS)


def is_lower_bound(row: Row) -> bool:
    """Return whether more than the lost value of a changed step can be missing.

    Usual days with days of the change lower what is usual. Those of an older change do so, too: the sentence says it.
    """
    is_older = row["since"] <= row["last_alert_day"] - timedelta(days=row["window_days"])
    return is_older or LOWER_BOUND.search(row["sentence"]) is not None


def of_opportunity(row: Row, last_day: date) -> LostValue | None:
    """Return the lost value of a difficulty, in the window that ends with this day."""
    return _lost(row, last_day, row["window_days"])


def _lost(row: Row, last_day: date, days: int) -> LostValue | None:
    value = row["associated_lost_value"]
    first_day = last_day - timedelta(days=days - 1)
    return LostValue(value, row["site"], first_day, last_day) if value and value > 0 else None


@dataclass(frozen=True)
class Currencies:
    """The currencies of conversions: (site, day, currency), with None for a value without one."""

    found: Sequence[tuple[str, date, str | None]] = ()

    def worth(self, lost: LostValue | None, days: int | None = None, *, is_lower_bound: bool = False) -> list[str]:
        """Return what is missing, if conversions have a value; the sentences have the number of conversions.

        Args:
            lost: The value, or None.
            days: The days of the value, if no other note names them. A change can have begun before these days.
            is_lower_bound: Whether more can be missing, because a change before these days also lowers what is usual.
        """
        if lost is None:
            return []
        unit = self._of(lost)
        if unit == SEVERAL:
            return ["value in several currencies"]
        # Rounded as in sentences
        value = statistics.about(lost.value) if round(lost.value) else formats.money(lost.value, None)
        of_days = f"in {formats.counted(days, 'day')}" if days else ""
        about = "worth at least about" if is_lower_bound else "worth about"
        return [" ".join(part for part in (about, value, unit, of_days) if part)]

    def in_sentence(self, sentence: str, lost: LostValue | None) -> str:
        """Return the sentence of a table with the currency of its value, or without a value of several currencies."""
        unit = self._of(lost) if lost is not None else None
        if unit == SEVERAL:
            return VALUE.sub("", sentence)
        return VALUE.sub(lambda found: f"{found[0]} {unit}", sentence) if unit else sentence

    def ordered(self, rows: Sequence[Row], values: Sequence[LostValue | None], lost: str) -> list[Row]:
        """Return rows in their order, the largest lost value first; by lost conversions if values have no order."""
        return list(rows) if self._can_compare(values) else sorted(rows, key=lambda row: -(row[lost] or 0.0))

    def _can_compare(self, values: Iterable[LostValue | None]) -> bool:
        """Whether all values are in one currency, or all without one. Others have no common order."""
        currencies = {self._of(lost) for lost in values if lost is not None}
        return len(currencies) <= 1 and SEVERAL not in currencies

    def _of(self, lost: LostValue) -> str | None:
        """Return the currency of a value; XXX for several, and None if any part of it has no currency."""
        found = {
            currency
            for site, day, currency in self.found
            if site == lost.site and lost.first_day <= day <= lost.last_day
        }
        known = found - {None}
        return SEVERAL if len(known) > 1 else next(iter(found)) if len(found) == 1 else None


def currencies(connection: duckdb.DuckDBPyConnection, values: Iterable[LostValue | None]) -> Currencies:
    """Query the currencies of all sites on the days of these values. Without a value, nothing is queried."""
    return currencies_of(lambda days: run_query(connection, QUERY, days).rows, values)


def currencies_of(
    query: Callable[[Mapping[str, date]], Sequence[Row]], values: Iterable[LostValue | None]
) -> Currencies:
    """Return the currencies on the days of these values. `query` runs QUERY for first_day and last_day."""
    known = [lost for lost in values if lost is not None]
    if not known:
        return Currencies()
    rows = query({"first_day": min(lost.first_day for lost in known), "last_day": max(lost.last_day for lost in known)})
    return Currencies([(row["site"], row["session_date"], row["currency"]) for row in rows])
