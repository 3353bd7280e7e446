"""Renders the report as HTML: figures and charts in the template page.html, with all content escaped.

Defines the order of rows, their colours, and the glossary. page.html has the other texts. figures.py runs the queries,
charts.py draws the charts, and formats.py formats numbers and days.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from session_pipeline.checks.settings_warnings import Findings
from session_pipeline.reference import columns as c
from session_pipeline.report import charts, formats
from session_pipeline.report.charts import Bar
from session_pipeline.report.figures import Figures, Row, Window
from session_pipeline.settings import FunnelSettings, Settings

ALWAYS_LAST = ("engaged", "bounce")
CONVERSION_COLOURS, OTHER_COLOURS = 4, 3
CHART_ROWS = 10
WIDE, NARROW = 540, 350  # widths of charts in pixels: on a desktop, and on a phone
MOST_WARNINGS = 20

FILTERS: tuple[Callable[..., str], ...] = (
    formats.number,
    formats.counted,
    formats.money,
    formats.percent,
    formats.interval,
    formats.points,
    formats.growth,
    formats.day,
    formats.full_day,
    formats.days,
    formats.moment,
    formats.words,
    formats.sentence_start,
)

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("Visit", "A session: consecutive events of a visitor. It belongs to the day on which it starts."),
    ("Visitor", c.VISITOR_ID.meaning),
    ("Outcome", c.OUTCOME.meaning),
    ("Engaged", c.IS_ENGAGED.meaning),
    ("Bounce", c.IS_BOUNCE.meaning),
    ("Converted", c.CONVERTED_COUNT.meaning),
    ("Conversion rate", "Converted visits as a share of all visits."),
    ("Value", "Sum of the values of converted visits, separate for each currency."),
    ("Change (pp)", "Share in the week minus share in the week before, in percentage points."),
    ("Significant change", "Chance alone causes a change this large in fewer than 5 of 100 cases. Others are grey."),
    ("Path", "The first six actions of a visit. An action that is repeated immediately counts once."),
    ("Action", c.ACTION.meaning),
    ("/folder/…", "All pages of a folder that has more than five pages."),
    (
        "Funnel",
        "Steps in a fixed order; other events can occur between them. Rates are shares of attempts that entered.",
    ),
    ("Largest loss", "The step of a funnel after which most attempts ended."),
    ("95 % interval", "Wilson interval: if only chance varies, it contains the true rate in 95 of 100 weeks."),
    ("Channel", c.CHANNEL.meaning),
    ("Device", c.DEVICE.meaning),
    ("Bot", c.IS_BOT.meaning),
    ("Duplicate", "A line that repeats an event. The event counts once; the copy is in duplicate_events."),
    ("Late", c.LATE_EVENT_COUNT.meaning),
    ("Quarantined", "A line that is not a valid event. It is kept in quarantined_lines with the reason."),
    ("Final", c.IS_FINAL.meaning),
)


def render(figures: Figures, settings: Settings, findings: Findings) -> str:
    """Returns the page as HTML, with warnings about the settings at the top."""
    environment = Environment(
        loader=PackageLoader("session_pipeline.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({written.__name__: written for written in FILTERS})
    content = {} if figures.window is None else _visit_content(figures, figures.window, settings, findings)
    return environment.get_template("page.html").render(
        published=figures.published,
        window=figures.window,
        warnings=findings.warnings[:MOST_WARNINGS],
        more_warnings=max(0, len(findings.warnings) - MOST_WARNINGS),
        timezone=settings.timezone,
        ledger=figures.rows("ledger")[0],
        files=figures.rows("files"),
        quarantined_lines=figures.rows("quarantined_lines"),
        queries=figures.names,
        query=figures.query,
        glossary=GLOSSARY,
        rules=[(rule.name, " ".join((rule.where or rule.where_session or "").split())) for rule in settings.outcomes],
        **content,
    )


def _visit_content(figures: Figures, window: Window, settings: Settings, findings: Findings) -> dict[str, Any]:
    """Returns the content of the template that exists only if there are visits."""
    visits = {row["period"]: row for row in figures.rows("visits")}
    outcomes = _in_order(figures.rows("outcomes"), "outcome", [rule.name for rule in settings.outcomes])
    _colour(outcomes)
    paths = _grouped(figures.rows("paths"), "visit_group")
    funnels = _grouped(
        _in_order(figures.rows("funnels"), "funnel", [funnel.name for funnel in settings.funnels]), "funnel"
    )
    for name, steps in funnels.items():
        _mark_steps(name, steps, findings)
    breakdowns = _grouped(figures.rows("breakdowns"), "dimension")
    days = figures.rows("days")
    return {
        "visits": visits,
        "value": figures.rows("value"),
        "outcomes": outcomes,
        "outcomes_chart": _in_both_widths(
            partial(charts.stacked_bars, bars=_bars(outcomes, visits, window)), "outcomes", wide=640
        ),
        "visit_groups": [_visit_group(name, paths.get(name, []), outcomes) for name in ("converted", "not_converted")],
        "funnels": {
            name: (steps, charts.funnel(f"funnel-{number}", 380, name, steps))
            for number, (name, steps) in enumerate(funnels.items(), start=1)
        },
        "units": {funnel.name: _unit(funnel) for funnel in settings.funnels},
        "breakdowns": _with_charts(breakdowns),
        "days": days,
        "days_chart": _in_both_widths(partial(charts.days, rows=days), "days"),
        "sites": figures.rows("sites"),
    }


def _in_both_widths(draw: Callable[[str, int], Markup], key: str, wide: int = WIDE) -> Markup:
    """Draws a chart in two widths, of which page.css shows the one for the window."""
    images = [("wide", draw(f"{key}-wide", wide)), ("narrow", draw(f"{key}-narrow", NARROW))]
    return Markup("").join(Markup('<div class="{}">{}</div>').format(size, image) for size, image in images)


def _with_charts(breakdowns: Mapping[str, Sequence[Row]]) -> dict[str, tuple[Sequence[Row], Markup]]:
    """Returns each breakdown with its chart. All charts have the same scale."""
    highest = max((row["high"] for rows in breakdowns.values() for row in rows[:CHART_ROWS]), default=1.0)
    found = {}
    for number, (name, rows) in enumerate(breakdowns.items(), start=1):
        title = f"Conversion rate by {formats.words(name)}"
        draw = partial(charts.rates, title=title, rows=rows[:CHART_ROWS], highest=highest)
        found[name] = (rows, _in_both_widths(draw, f"rates-{number}"))
    return found


def _in_order(rows: Sequence[Row], column: str, names: Sequence[str]) -> list[Row]:
    """Returns rows in the order of the settings, then rows that the settings do not name; engaged and bounce last."""
    order = {name: number for number, name in enumerate(names)}
    last = {name: number for number, name in enumerate(ALWAYS_LAST, start=1)} if column == "outcome" else {}
    return sorted(rows, key=lambda row: (last.get(row[column], 0), order.get(row[column], len(order)), row[column]))


def _grouped(rows: Sequence[Row], column: str) -> dict[str, list[Row]]:
    return {name: list(group) for name, group in groupby(rows, itemgetter(column))}


def _colour(outcomes: Sequence[Row]) -> None:
    """Adds a colour to each outcome. Conversions have shades of one colour, other outcomes of another."""
    numbers = {True: 0, False: 0}
    for row in outcomes:
        if row["outcome"] in ALWAYS_LAST:
            row["colour"] = row["outcome"]
            continue
        kind, most = ("conversion", CONVERSION_COLOURS) if row["is_converted"] else ("other", OTHER_COLOURS)
        row["colour"] = f"{kind}-{numbers[row['is_converted']] % most + 1}"
        numbers[row["is_converted"]] += 1


def _bars(outcomes: Sequence[Row], visits: Mapping[str, Row], window: Window) -> list[Bar]:
    """Returns a bar for the week, the week before and the last day, if they have visits."""
    periods = [("week", formats.short_days(window.first_day, window.last_day))]
    if window.has_some_before:
        periods.append(("before", formats.short_days(window.before_first_day, window.before_last_day)))
    periods.append(("day", formats.day(window.last_day)))
    return [
        Bar(
            label,
            formats.counted(visits[period]["session_count"], "visit"),
            [
                (formats.words(row["outcome"]), row[f"{period}_count"], row[f"{period}_share"] or 0.0, row["colour"])
                for row in outcomes
            ],
        )
        for period, label in periods
        if visits[period]["session_count"]
    ]


def _mark_steps(funnel: str, steps: Sequence[Row], findings: Findings) -> None:
    """Marks the funnel steps that match no event, and the step with the largest loss.

    The loss before a step that matches no event is caused by its condition and not by visitors, so it is never the
    largest loss.
    """
    for step in steps:
        step["is_unmatched"] = (funnel, step["step_number"]) in findings.unmatched_steps and not step["reached_count"]
    unknown = [following["is_unmatched"] for following in steps[1:]]
    losses = [0 if is_unknown else step["dropped_count"] for step, is_unknown in zip(steps, unknown, strict=False)]
    largest = losses.index(max(losses)) if any(losses) else None
    for number, step in enumerate(steps):
        step["is_largest_loss"] = number == largest


def _unit(funnel: FunnelSettings) -> str:
    """Describes the unit that a funnel counts, and its window from the first step to the last."""
    within = f", within {formats.duration(funnel.window_seconds)}" if funnel.window_seconds else ""
    units = {"session": "by visit", "visitor": "by visitor", "attempt": "by attempt"}
    return units[funnel.grain] + within


def _visit_group(name: str, paths: Sequence[Row], outcomes: Sequence[Row]) -> dict[str, Any]:
    """Returns a group of visits, with or without a conversion: its title, its number of visits and its paths."""
    with_value = [row["outcome"] for row in outcomes if row["is_converted"] and row["has_value"]]
    if name == "not_converted":
        members = [row for row in outcomes if not row["is_converted"] and row["outcome"] != "bounce"]
        title, end = "Visits without a conversion", "left"
    elif with_value:
        members = [row for row in outcomes if row["outcome"] in with_value]
        is_purchase = with_value == ["purchase"]
        title = "Visits with a purchase" if is_purchase else "Visits with a conversion that has a value"
        end = "bought" if is_purchase else "converted"
    else:
        members = [row for row in outcomes if row["is_converted"]]
        title, end = "Visits with a conversion", "converted"
    return {
        "name": name,
        "title": title,
        "end": end,
        "outcomes": [formats.words(row["outcome"]) for row in members],
        "session_count": sum(row["week_count"] for row in members),
        "bounce_count": sum(
            row["week_count"] for row in outcomes if name == "not_converted" and row["outcome"] == "bounce"
        ),
        "paths": [{**path, "steps": _steps(path)} for path in paths],
    }


def _steps(path: Row) -> list[tuple[str, str]]:
    """Returns each step of a path as its label and its kind."""
    steps = []
    for step, is_page in zip(path["steps"], path["are_pages"], strict=True):
        if is_page:
            steps.append(("home page", "/") if step == "/" else (formats.shortened(step), "page"))
        else:
            steps.append((formats.shortened(formats.words(step)), "action"))
    return steps
