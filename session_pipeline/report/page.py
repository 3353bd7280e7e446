"""Renders the page: figures, charts and texts in page.html, with everything from outside escaped.

Defines the wording and the order of the page. figures.py runs the queries; charts.py draws the charts.
"""

from collections.abc import Callable, Mapping, Sequence
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
BREAKDOWN_ROWS = 10
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

WORDS: tuple[tuple[str, str], ...] = (
    ("Visit", "A visitor's unbroken run of events, on the day it begins; the tables call it a session."),
    ("Visitor", c.VISITOR_ID.meaning),
    ("Outcome", c.OUTCOME.meaning),
    ("Engaged", c.IS_ENGAGED.meaning),
    ("Bounce", c.IS_BOUNCE.meaning),
    ("Converted", c.CONVERTED_COUNT.meaning),
    ("Value", "Sum of the values of the visits that converted, in the currency they came with."),
    ("Change (pp)", "Share of the week minus share of the week before, in percentage points."),
    ("Beyond chance", "A change that chance alone gives in fewer than 5 of 100 cases; the others are printed pale."),
    ("Way", "The first six actions of a visit; an action repeated at once counts once."),
    ("Action", c.ACTION.meaning),
    ("/folder/…", "All pages of a folder that has more than five of them."),
    ("Funnel", "Steps on the way to something, in their order; other events may lie between them."),
    ("Largest loss", "The step of a funnel after which most attempts ended."),
    ("95 % interval", "Where the rate would lie in 95 of 100 such weeks, were nothing but chance at work (Wilson)."),
    ("Channel", c.CHANNEL.meaning),
    ("Device", c.DEVICE.meaning),
    ("Bot", c.IS_BOT.meaning),
    ("Duplicate", "A line that repeats an event; it is kept apart, and counted once."),
    ("Late", c.LATE_EVENT_COUNT.meaning),
    ("Set aside", "A line that holds no event that could be read; it is kept, with the reason."),
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
    content = {} if figures.window is None else _of_visits(figures, figures.window, settings, findings)
    return environment.get_template("page.html").render(
        published=figures.published,
        window=figures.window,
        warnings=findings.warnings[:MOST_WARNINGS],
        more_warnings=max(0, len(findings.warnings) - MOST_WARNINGS),
        timezone=settings.timezone,
        ledger=figures.rows("ledger")[0],
        files=figures.rows("files"),
        set_aside=figures.rows("set_aside"),
        queries=figures.names,
        query=figures.query,
        words=WORDS,
        rules=[(rule.name, " ".join((rule.where or rule.where_session or "").split())) for rule in settings.outcomes],
        **content,
    )


def _of_visits(figures: Figures, window: Window, settings: Settings, findings: Findings) -> dict[str, Any]:
    visits = {row["period"]: row for row in figures.rows("visits")}
    outcomes = _in_order(figures.rows("outcomes"), "outcome", [rule.name for rule in settings.outcomes])
    _colour(outcomes)
    bars = _bars(outcomes, visits, window)
    buying = [row["outcome"] for row in outcomes if row["is_converted"] and row["has_value"]]
    ways = _grouped(figures.rows("ways"), "party")
    funnels = _grouped(
        _in_order(figures.rows("funnels"), "funnel", [funnel.name for funnel in settings.funnels]), "funnel"
    )
    for name, steps in funnels.items():
        _mark_unmatched(name, steps, findings)
    breakdowns = _grouped(figures.rows("breakdowns"), "dimension")
    shown = {dimension: rows[:BREAKDOWN_ROWS] for dimension, rows in breakdowns.items()}
    highest = max((row["high"] for rows in shown.values() for row in rows), default=1.0)
    return {
        "visits": visits,
        "value": figures.rows("value"),
        "outcomes": outcomes,
        "outcome_charts": [("wide", _image(charts.stacked(bars, 640))), ("narrow", _image(charts.stacked(bars, 350)))],
        "outcome_words": _said(bars),
        "parties": [_party(name, ways.get(name, []), outcomes, buying) for name in ("bought", "left")],
        "funnels": {name: (steps, _image(charts.funnel(steps))) for name, steps in funnels.items()},
        "units": {funnel.name: _unit(funnel) for funnel in settings.funnels},
        "breakdowns": {name: (rows, _image(charts.rates(shown[name], highest))) for name, rows in breakdowns.items()},
        "days": figures.rows("days"),
        "days_chart": _image(charts.days(figures.rows("days"))),
        "sites": figures.rows("sites"),
    }


def _image(svg: str) -> Markup:
    """Marks a chart as safe HTML. The SVG renderer has escaped text from outside."""
    return Markup(svg)


def _in_order(rows: Sequence[Row], column: str, names: Sequence[str]) -> list[Row]:
    """Returns rows in the order of the settings, then rows that they no longer name; engaged and bounce come last."""
    order = {name: number for number, name in enumerate(names)}
    last = {name: number for number, name in enumerate(ALWAYS_LAST, start=1)} if column == "outcome" else {}
    return sorted(rows, key=lambda row: (last.get(row[column], 0), order.get(row[column], len(order)), row[column]))


def _grouped(rows: Sequence[Row], column: str) -> dict[str, list[Row]]:
    return {name: list(group) for name, group in groupby(rows, itemgetter(column))}


def _colour(outcomes: Sequence[Row]) -> None:
    """Gives each outcome a colour by its kind: conversions have colours of one family, other outcomes of others."""
    numbers = {True: 0, False: 0}
    for row in outcomes:
        if row["outcome"] in ALWAYS_LAST:
            row["colour"] = row["outcome"]
            continue
        kind, most = ("conversion", CONVERSION_COLOURS) if row["is_converted"] else ("other", OTHER_COLOURS)
        row["colour"] = f"{kind}-{numbers[row['is_converted']] % most + 1}"
        numbers[row["is_converted"]] += 1


def _bars(outcomes: Sequence[Row], visits: Mapping[str, Row], window: Window) -> list[Bar]:
    periods = [("week", formats.short_days(window.first_day, window.last_day))]
    if window.has_some_before:
        periods.append(("before", formats.short_days(window.before_first_day, window.before_last_day)))
    periods.append(("day", formats.day(window.last_day)))
    return [
        Bar(
            label,
            formats.counted(visits[period]["session_count"], "visit"),
            [(formats.words(row["outcome"]), row[f"{period}_share"] or 0.0, row["colour"]) for row in outcomes],
        )
        for period, label in periods
        if visits[period]["session_count"]
    ]


def _said(bars: Sequence[Bar]) -> str:
    """Describes the bars in text, for people who cannot see them."""
    sentences = []
    for bar in bars:
        shares = ", ".join(f"{name} {formats.percent(share)}" for name, share, _ in bar.parts)
        sentences.append(f"{bar.label}, {bar.detail}: {shares}.")
    return " ".join(sentences)


def _mark_unmatched(funnel: str, steps: Sequence[Row], findings: Findings) -> None:
    """Marks the funnel steps that match no event at all, and the step with the largest loss.

    The loss before a step that matches no event is due to its condition and not to visitors, so it is not counted as
    the largest loss.
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
    return ("by visit" if funnel.grain == "session" else "by visitor") + within


def _party(name: str, ways: Sequence[Row], outcomes: Sequence[Row], buying: Sequence[str]) -> dict[str, Any]:
    """Returns the visits that bought, or that did not convert: their number, their paths and how these end."""
    if name == "left":
        members = [row for row in outcomes if not row["is_converted"] and row["outcome"] != "bounce"]
        title, end = "Visits without a conversion", "left"
    else:
        members = [row for row in outcomes if row["outcome"] in buying or (not buying and row["is_converted"])]
        title, end = (
            ("Visits with a purchase", "bought")
            if buying == ["purchase"]
            else ("Visits with a conversion", "converted")
        )
    return {
        "name": name,
        "title": title,
        "end": end,
        "outcomes": [formats.words(row["outcome"]) for row in members],
        "session_count": sum(row["week_count"] for row in members),
        "bounce_count": sum(row["week_count"] for row in outcomes if name == "left" and row["outcome"] == "bounce"),
        "ways": [{**way, "steps": _steps(way)} for way in ways],
    }


def _steps(way: Row) -> list[tuple[str, str]]:
    """Returns each step of a path as its label and its kind."""
    steps = []
    for step, is_page in zip(way["steps"], way["are_pages"], strict=True):
        if is_page:
            steps.append(("home page", "/") if step == "/" else (formats.shortened(step), "page"))
        else:
            steps.append((formats.shortened(formats.words(step)), "action"))
    return steps
