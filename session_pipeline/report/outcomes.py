"""Prepares how visits ended: the order and colours of outcomes, their bars, and their trends."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from session_pipeline.report import charts, formats
from session_pipeline.report.chance import is_significant
from session_pipeline.report.charts import Bar
from session_pipeline.report.figures import Figures, Row
from session_pipeline.report.window import Window
from session_pipeline.settings import Settings

ALWAYS_LAST = ("engaged", "bounce")
OTHERS = "all others"  # the row of the outcomes that have no room
SUMS = ("week_count", "day_count", "before_count", "week_share", "day_share", "before_share", "change")
CONVERSION_COLOURS, OTHER_COLOURS = 4, 3
TREND_WIDTH, TREND_HEIGHT = 92, 20


def outcome_rows(figures: Figures, settings: Settings) -> list[Row]:
    """Return the outcomes of the two weeks in the order of the settings, each with is_converted.

    A conversion that only earlier visits had is one of them, so that a form that broke keeps its row.
    """
    conversions = settings.conversions
    rows = ordered(figures.rows("outcomes"), [rule.name for rule in settings.outcomes])
    rows = [{**row, "is_converted": row["outcome"] in conversions} for row in rows]
    return [row for row in rows if row["is_converted"] or row["week_count"] or row["before_count"]]


def shown_rows(outcomes: Sequence[Row], figures: Figures, room: int) -> list[Row]:
    """Return the rows to show for outcomes, each with is_significant, a colour, a trend and the outcomes it counts.

    If there are more outcomes than rows have room, the least frequent ones share a row before engaged and bounce;
    conversions have their own first.
    """
    rows = _fitting(outcomes, room)
    days = [row["session_date"] for row in figures.rows("days")]
    totals = {row["session_date"]: row["session_count"] for row in figures.rows("days")}
    counts = _counts(figures)
    week_total, before_total = (sum(row[f"{period}_count"] for row in rows) for period in ("week", "before"))
    for number, row in enumerate(rows, start=1):
        row["is_significant"] = is_significant(row["week_count"], week_total, row["before_count"], before_total)
        shares = [_count(counts, row, day) / totals[day] if totals[day] else None for day in days]
        title = f"Share of {formats.isolated(formats.words(row['outcome']))} by day"
        description = trend_sentence(shares)
        row["trend"] = charts.sparkline(f"trend-{number}", TREND_WIDTH, TREND_HEIGHT, title, description, shares)
    _colour(rows)
    return rows


def outcomes_by_day(figures: Figures, rows: Sequence[Row]) -> list[tuple[date, list[int]]]:
    """Return each day with the visits of each row of `shown_rows`, latest first."""
    counts = _counts(figures)
    days = [day["session_date"] for day in figures.rows("days")]
    return [(day, [_count(counts, row, day) for row in rows]) for day in reversed(days)]


def _counts(figures: Figures) -> dict[tuple[str, date], int]:
    """Return the visits of each outcome on each day."""
    return {(row["outcome"], row["session_date"]): row["session_count"] for row in figures.rows("outcome_days")}


def _count(counts: Mapping[tuple[str, date], int], row: Row, day: date) -> int:
    """Return the visits of a day that a row counts."""
    return sum(counts.get((name, day), 0) for name in row["names"])


def _fitting(outcomes: Sequence[Row], room: int) -> list[Row]:
    """Return a row for each outcome; if there is no room for all, one for all but conversions and the most frequent."""
    rows = [{**row, "names": (row["outcome"],)} for row in outcomes]
    if len(rows) <= room:
        return rows
    last = [row for row in rows if row["outcome"] in ALWAYS_LAST]
    rest = [row for row in rows if row["outcome"] not in ALWAYS_LAST]
    most_important = sorted(rest, key=lambda row: (not row["is_converted"], -row["week_count"]))
    kept = {row["outcome"] for row in most_important[: max(0, room - len(last) - 1)]}
    others = [row for row in rest if row["outcome"] not in kept]
    if len(others) < 2:  # a row of their own is no larger
        return rows
    summed = {name: _sum([row[name] for row in others]) for name in SUMS}
    names = tuple(row["outcome"] for row in others)
    one_row = {"outcome": OTHERS, "is_converted": False, "names": names, **summed}
    return [*(row for row in rest if row["outcome"] in kept), one_row, *last]


def _sum(values: Sequence[float | None]) -> float | None:
    """Return the sum of the values that are known; None if none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def ordered(rows: Sequence[Row], names: Sequence[str], column: str = "outcome") -> list[Row]:
    """Return rows in the order of the settings, then rows that the settings do not name; engaged and bounce last."""
    order = {name: number for number, name in enumerate(names)}
    last = {name: number for number, name in enumerate(ALWAYS_LAST, start=1)} if column == "outcome" else {}
    return sorted(rows, key=lambda row: (last.get(row[column], 0), order.get(row[column], len(order)), row[column]))


def bars(outcomes: Sequence[Row], visits: Mapping[str, Row], window: Window) -> list[Bar]:
    """Return a bar for the week and one for the week before, or for the last day if the weeks cannot be compared."""
    periods = [("week", formats.short_days(window.first_day, window.last_day))]
    if window.can_compare_weeks:
        periods.append(("before", formats.short_days(window.before_first_day, window.before_last_day)))
    else:
        periods.append(("day", formats.day(window.last_day)))
    return [
        Bar(
            label,
            [
                (
                    formats.isolated(formats.words(row["outcome"])),
                    row[f"{period}_count"],
                    row[f"{period}_share"] or 0.0,
                    row["colour"],
                )
                for row in outcomes
            ],
        )
        for period, label in periods
        if visits[period]["session_count"]
    ]


def trend_sentence(values: Sequence[float | None], shown: Callable[[float | None], str] = formats.percent) -> str:
    """Describe a trend in a sentence."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    last = f"last {shown(values[-1])}" if values[-1] is not None else "none on the last day"
    return f"{len(values)} days, from {shown(min(known))} to {shown(max(known))}; {last}."


def _colour(outcomes: Sequence[Row]) -> None:
    """Add a colour to each outcome. Conversions have shades of one colour, other outcomes of another."""
    numbers = {True: 0, False: 0}
    for row in outcomes:
        if row["outcome"] in ALWAYS_LAST:
            row["colour"] = row["outcome"]
            continue
        kind, most = ("conversion", CONVERSION_COLOURS) if row["is_converted"] else ("other", OTHER_COLOURS)
        row["colour"] = f"{kind}-{numbers[row['is_converted']] % most + 1}"
        numbers[row["is_converted"]] += 1
