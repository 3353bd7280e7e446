"""Prepares the tiles of the page: the main figures of the week, each with its change and its trend."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from session_pipeline.report import charts, formats
from session_pipeline.report.chance import is_significant
from session_pipeline.report.figures import Figures, Row
from session_pipeline.report.lost_values import SEVERAL
from session_pipeline.report.observed import ALL_VISITS, observed_visits
from session_pipeline.report.outcomes import trend_sentence
from session_pipeline.report.window import Window

TILES = 4
WIDTH, HEIGHT = 110, 34  # of a trend


@dataclass(frozen=True)
class Tile:
    """A figure of the week: its name, its value, its share or unit, its change, a detail, and its trend.

    can_be_chance is also True for a change of a count or value: its chance is not known.
    """

    name: str
    value: str
    share: str
    change: str
    detail: str
    trend: Markup | None = None
    can_be_chance: bool = True


def tiles(figures: Figures, visits: Mapping[str, Row], window: Window) -> list[Tile]:
    """Return the figures of the week. Visitors have a tile if conversions have no value, or hard times are unknown.

    Args:
        figures: The figures of the report.
        visits: The rows of the figure visits, by period.
        window: The days of the report.
    """
    makers = _Tiles(figures, visits, window)
    found = [makers.visits(), makers.conversions(), makers.value(), makers.hard_times()]
    shown = [tile for tile in found if tile is not None]
    if len(shown) < TILES:
        shown.insert(1, makers.visitors())
    return shown


def has_one_currency(figures: Figures) -> bool:
    """Whether all values of the last four weeks can be added: they are in one currency, or there are none."""
    rows = figures.rows("value")
    return len(rows) <= 1 and all(row["currency"] != SEVERAL for row in rows)


class _Tiles:
    """Makes the tiles of one report."""

    def __init__(self, figures: Figures, visits: Mapping[str, Row], window: Window) -> None:
        """Take the figures, the visits by period, and the days of the report."""
        self._figures = figures
        self._week, self._before, self._day = visits["week"], visits["before"], visits["day"]
        self._window = window
        self._days = figures.rows("days")

    def visits(self) -> Tile:
        return Tile(
            "Visits",
            formats.number(self._week["session_count"]),
            "",
            self._growth(self._week["session_count"], self._before["session_count"]),
            self._last_day("session_count"),
            _chart("visits", "Visits", [row["session_count"] for row in self._days]),
        )

    def conversions(self) -> Tile:
        return Tile(
            "Converted",
            formats.number(self._week["converted_count"]),
            formats.percent(self._week["conversion_rate"]),
            self._points("conversion_rate"),
            self._last_day("converted_count"),
            _chart("rate", "Conversion rate", [row["conversion_rate"] for row in self._days], formats.percent),
            self._is_chance("converted_count", "session_count"),
        )

    def value(self) -> Tile | None:
        """Return the value of the week in each currency of two weeks, that of the most visits first; None without any.

        Visits that each have several currencies are only counted, because their values are no sum of money.
        """
        rows = self._figures.rows("value")
        sums = [
            {**row, "week_value": row["week_value"] or 0.0}
            for row in rows
            if row["currency"] != SEVERAL and (row["week_value"], row["before_value"]) != (None, None)
        ]
        several_count = sum(row["week_count"] for row in rows if row["currency"] == SEVERAL)
        in_several = f"{formats.counted(several_count, 'visit')} in several currencies"
        if not sums:
            return Tile("Value", formats.NOTHING, "", "", in_several) if several_count else None
        first = sums[0]
        others = [formats.money_among_others(row["week_value"], row["currency"]) for row in sums[1:]]
        if several_count:
            others.append(in_several)
        detail = f"{formats.day(self._window.last_day)}: {formats.money(first['day_value'], None)}"
        values = [row["value"] for row in self._days] if has_one_currency(self._figures) else []
        return Tile(
            "Value",
            formats.rounded(first["week_value"]),
            formats.unit_among_others(first["currency"]) if others else first["currency"] or "",
            self._growth(first["week_value"], first["before_value"]),
            f"and {', '.join(others)}" if others else detail,
            _chart("value", "Value", values, formats.rounded),
        )

    def hard_times(self) -> Tile | None:
        """Return the visits with a hard time; None if the events of no visit can show one."""
        if self._week["friction_rate"] is None:
            return None
        observed = observed_visits(self._week)
        of_visits = "" if observed == ALL_VISITS else f"of {observed} · "
        return Tile(
            "Had a hard time",
            formats.number(self._week["hard_time_count"]),
            formats.percent(self._week["friction_rate"]),
            self._points("friction_rate"),
            f"{of_visits}{self._last_day('hard_time_count')}",
            _chart(
                "hard-rate", "Visits with a hard time", [row["friction_rate"] for row in self._days], formats.percent
            ),
            self._is_chance("hard_time_count", "observed_count"),
        )

    def visitors(self) -> Tile:
        return Tile(
            "Visitors",
            formats.number(self._week["visitor_count"]),
            "",
            self._growth(self._week["visitor_count"], self._before["visitor_count"]),
            self._last_day("visitor_count"),
        )

    def _last_day(self, count: str) -> str:
        return f"{formats.day(self._window.last_day)}: {formats.number(self._day[count])}"

    def _growth(self, now: float | None, then: float | None) -> str:
        """Return the change of a count or value since the week before; empty if the weeks cannot be compared."""
        change = formats.growth(now, then) if self._window.can_compare_weeks else formats.NOTHING
        return "" if change == formats.NOTHING else change

    def _points(self, rate: str) -> str:
        """Return the change of a rate since the week before; empty if the weeks cannot be compared."""
        now, then = self._week[rate], self._before[rate]
        return "" if now is None or then is None or not self._window.can_compare_weeks else formats.points(now - then)

    def _is_chance(self, count: str, total: str) -> bool:
        week, before = self._week, self._before
        return not is_significant(week[count] or 0, week[total] or 0, before[count] or 0, before[total] or 0)


def _chart(
    key: str,
    name: str,
    values: Sequence[float | None],
    shown: Callable[[float | None], str] = formats.number,
) -> Markup:
    title = f"{name} by day"
    return charts.sparkline(f"tile-{key}", WIDTH, HEIGHT, title, trend_sentence(values, shown), values)
