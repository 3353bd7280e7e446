"""Renders the report as HTML: figures and charts in the templates of templates/, with all content escaped.

The modules of the sections prepare the figures; templates/ has the texts, and glossary.py the meanings. figures.py runs
the queries, charts/ draws the charts, and formats.py formats numbers and days.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date, timedelta
from functools import cache, partial
from itertools import accumulate, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from session_pipeline.reference.signals import COMPARISONS
from session_pipeline.report import charts, formats, names, outcomes, paths
from session_pipeline.report.chance import FEWEST, is_significant
from session_pipeline.report.compiled import CompiledTemplates
from session_pipeline.report.figures import Figures, Row
from session_pipeline.report.flaw import Flaw
from session_pipeline.report.flaws import Look
from session_pipeline.report.funnels import funnel_views, unit
from session_pipeline.report.glossary import GLOSSARY
from session_pipeline.report.long_names import long_names
from session_pipeline.report.observed import observed_visits
from session_pipeline.report.sites import has_several, only_name
from session_pipeline.report.strengths import has_large_groups, strengths
from session_pipeline.report.svg import standalone
from session_pipeline.report.tiles import has_one_currency, tiles
from session_pipeline.report.window import Window
from session_pipeline.settings import Settings
from session_pipeline.settings_warnings import Findings

TEMPLATES = Path(__file__).with_name("templates")
CHART_ROWS = 8
WIDE, NARROW = 540, 358  # widths of charts in pixels: on a desktop, and on a phone
OUTCOMES_WIDE, PAGE_WIDE = 688, 1236
MOST_WARNINGS = 20
MOST_BYTES = 400_000  # of a page
FIRST_WEEKS = timedelta(weeks=4)  # with data: earlier visits are not known
COMMON_DIMENSIONS = ("channel", "device", "lifecycle", "utm_campaign")
DIMENSIONS = {"utm_campaign": "campaign", "lifecycle": "visitor"}
LIFECYCLES = {"new": "new", "returning": "also there the day before", "resurrected": "back after a pause"}

INNER_SLASH = re.compile("(?<=[^/])(?=/)")

FILTERS: tuple[Callable[..., object], ...] = (
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
    formats.short_days,
    formats.moment,
    formats.short_duration,
    formats.words,
    formats.shortened,
    formats.full,
    formats.decoded,
    formats.sentence_start,
    names.label,
    observed_visits,
)


@dataclass(frozen=True)
class Page:
    """A rendered page.

    Attributes:
        text: The HTML.
        last_day: The last day that it covers; None if there are no visits.
        charts: The main charts by title, as complete SVG files for other places than the page.
    """

    text: str
    last_day: date | None
    charts: Mapping[str, str]


@dataclass(frozen=True)
class Room:
    """How many parts of each kind a page shows at most. Sums and counts are of all, and the page says what is left out.

    Attributes:
        outcomes: Rows of outcomes; the last one counts all that have none.
        dimensions: Breakdowns.
        funnel_steps: Steps of all funnels.
        sites: Rows of sites.
        other_sites: Sites with their usual path, in addition to the first one.
    """

    outcomes: int = 40
    dimensions: int = 15
    funnel_steps: int = 60
    sites: int = 50
    other_sites: int = 9

    def halved(self) -> "Room":
        """Return half of the room, at least one part of each kind."""
        return Room(*(max(1, count // 2) for count in astuple(self)))


@cache
def templates() -> Environment:
    """Return the templates of the page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.bytecode_cache = CompiledTemplates(TEMPLATES, environment)
    environment.filters.update({written.__name__: written for written in (*FILTERS, breakable)})
    return environment


def render(figures: Figures, settings: Settings, findings: Findings, look: Look | None) -> Page:
    """Return the page, with warnings about the settings at the top. `look` is None if there are no visits.

    A page that is too large, because of hundreds of outcomes or breakdowns with long names, has fewer parts.
    """
    room = Room()
    while True:
        page = _rendered(figures, settings, findings, look, room)
        if len(page.text.encode()) <= MOST_BYTES or room == room.halved():
            return page
        room = room.halved()


def _rendered(figures: Figures, settings: Settings, findings: Findings, look: Look | None, room: Room) -> Page:
    content = {} if figures.window is None else _visit_content(figures, figures.window, settings, findings, room)
    template = templates().get_template("page.html")
    text = template.render(
        published=figures.published,
        window=figures.window,
        look=look,
        warnings=findings.warnings[:MOST_WARNINGS],
        more_warnings=max(0, len(findings.warnings) - MOST_WARNINGS),
        timezone=settings.timezone,
        ledger=figures.rows("ledger")[0],
        has_followed_visitors=any(funnel.grain != "session" for funnel in settings.funnels),
        expires=bool(settings.privacy.keep_days.events),
        unfolded=figures.rows("unfolded_actions"),
        files=figures.rows("files"),
        quarantined_lines=figures.rows("quarantined_lines"),
        queries=figures.names,
        query=figures.query,
        find_long_names=partial(long_names, figures),
        glossary=GLOSSARY,
        rules=[(rule.name, " ".join((rule.where or rule.where_session or "").split())) for rule in settings.outcomes],
        **content,
    )
    text = formats.allowed(text)  # names of events can have any character
    return Page(text, figures.window.last_day if figures.window else None, _charts(content, look.flaws if look else []))


def _charts(content: Mapping[str, Any], flaws: Sequence[Flaw]) -> dict[str, str]:
    """Return the main charts: how visits ended, what to look at first, day by day, the funnels and who converts."""
    if not content:
        return {}
    found = {"How visits ended": content["outcomes_image"]}
    found |= {
        f"Look here first, {n}: {flaw.sentence}": flaw.chart for n, flaw in enumerate(flaws, start=1) if flaw.chart
    }
    found |= {"Day by day": content["days_image"]}
    found |= {f"Funnel {name}": funnel.chart for name, funnel in content["funnels"].items()}
    if content["converts"]:
        found |= {f"Conversion rate by {title}": image for title, _, _, image in content["breakdowns"].values()}
    return {title: standalone(image) for title, image in found.items()}


def _visit_content(
    figures: Figures, window: Window, settings: Settings, findings: Findings, room: Room
) -> dict[str, Any]:
    """Return the content of the templates that exists only if there are visits."""
    visits = {row["period"]: row for row in figures.rows("visits")}
    all_outcomes = outcomes.outcome_rows(figures, settings)
    found = outcomes.shown_rows(all_outcomes, figures, room.outcomes)
    days, sites = figures.rows("days"), [_compared(row) for row in figures.rows("sites")]
    funnels = funnel_views(figures, settings, findings)
    shown_funnels = fitting([len(funnel.steps) for funnel in funnels.values()], room.funnel_steps)
    compared = {name: rows for name, rows in _grouped(figures.rows("breakdowns"), "dimension").items() if len(rows) > 1}
    positions, grid = paths.step_grid(figures.rows("steps"))
    visit_groups = partial(
        paths.visit_groups,
        figures.rows("usual_paths"),
        figures.rows("common_actions"),
        all_outcomes,
        has_several(figures),
        {row["site"] for row in sites if row["bounce_rate"]},
    )
    groups = visit_groups()
    other_sites = [row["site"] for row in sites if row["session_count"] and row["site"] != groups[0].site]
    other_sites = other_sites if len(sites) > 1 else []  # they are shown with the table of sites
    bars = outcomes.bars(found, visits, window)
    cohorts = _cohorts(figures.rows("retention"))
    return {
        "visits": visits,
        "tiles": tiles(figures, visits, window),
        "outcomes": found,
        "more_outcomes": len(all_outcomes) + 1 - len(found) if len(found) < len(all_outcomes) else 0,
        "outcomes_chart": in_both_widths(partial(charts.stacked_bars, bars=bars), "outcomes", OUTCOMES_WIDE),
        "outcomes_image": charts.stacked_bars("outcomes", OUTCOMES_WIDE, bars, has_legend=True),
        "days_image": charts.days("days", WIDE, days),
        "outcomes_by_day": outcomes.outcomes_by_day(figures, found),
        "visit_groups": groups,
        "groups_of_other_sites": [visit_groups(of_site=site) for site in other_sites[: room.other_sites]],
        "more_other_sites": max(0, len(other_sites) - room.other_sites),
        "strengths": strengths(figures, window),
        "has_large_groups": has_large_groups(figures),
        "converts": any(row["converted_count"] for row in days),
        "funnels": dict(list(funnels.items())[:shown_funnels]),
        "more_funnels": len(funnels) - shown_funnels,
        "units": {funnel.name: unit(funnel) for funnel in settings.funnels},
        "positions": positions,
        "grid": grid,
        "transitions": figures.rows("transitions"),
        "friction": figures.rows("friction_by_page"),
        "landing_pages": figures.rows("landing_pages"),
        "exit_pages": figures.rows("exit_pages"),
        "min_session_count": settings.paths.min_session_count,
        "search_terms": figures.rows("search_terms"),
        "searches": figures.rows("searches"),
        "breakdowns": _with_charts(_shown(compared, room.dimensions)),
        "more_dimensions": max(0, len(compared) - room.dimensions),
        "retention": cohorts,
        "fewest": FEWEST,
        "has_compared_difficulties": bool(figures.rows("opportunities")),
        "compares_difficulties": not COMPARISONS.keys().isdisjoint(settings.friction.signals),
        "has_first_weeks": any(first["first_day"] < window.first_known_day + FIRST_WEEKS for first, _ in cohorts),
        "days": days,
        "one_currency": has_one_currency(figures),
        "days_chart": in_both_widths(partial(charts.days, rows=days), "days", PAGE_WIDE, WIDE),
        "sites": sites[: room.sites],
        "more_sites": max(0, len(sites) - room.sites),
        "several_sites": has_several(figures),
        "only_site": only_name(figures),
    }


def in_both_widths(draw: Callable[[str, int], Markup], key: str, wide: int = WIDE, medium: int | None = None) -> Markup:
    """Draw a chart in two widths, or three, of which sections.css shows the one for the window or for paper."""
    widths = {"wide": wide, "medium": medium, "narrow": NARROW}
    images = [(size, draw(f"{key}-{size}", width)) for size, width in widths.items() if width is not None]
    return Markup("").join(Markup('<div class="{}">{}</div>').format(size, image) for size, image in images)


def breakable(text: str) -> Markup:
    """Let a line break before each slash of a path, so that it does not break within a word."""
    return Markup("<wbr>").join(INNER_SLASH.split(text))


def fitting(sizes: Sequence[int], room: int) -> int:
    """Return how many of the first parts fit; one always does."""
    return max(min(1, len(sizes)), sum(end <= room for end in accumulate(sizes)))


def _shown(breakdowns: Mapping[str, list[Row]], most: int) -> dict[str, list[Row]]:
    """Return the breakdowns that the page has room for: those of each site first, then own dimensions by name."""
    first = sorted(breakdowns, key=lambda name: (name not in COMMON_DIMENSIONS, name))[:most]
    return {name: rows for name, rows in breakdowns.items() if name in first}


def _with_charts(compared: Mapping[str, Sequence[Row]]) -> dict[str, tuple[str, Sequence[Row], Markup, Markup]]:
    """Return the title, the rows, the chart of the page and the chart as one image of each breakdown.

    All charts have one scale. The intervals of few visits do not decide it.
    """
    shown = [row for rows in compared.values() for row in rows[:CHART_ROWS]]
    certain = [row["high"] for row in shown if row["session_count"] >= FEWEST]
    highest = max([*certain, *(row["conversion_rate"] for row in shown)], default=1.0)
    found = {}
    for number, (name, rows) in enumerate(compared.items(), start=1):
        title = _title(name, compared)
        for row in rows:
            row["label"] = LIFECYCLES.get(row["dimension_value"], "") if name == "lifecycle" else ""
            row["label"] = row["label"] or names.value_label(name, row["dimension_value"])
        draw = partial(charts.rates, title=f"Conversion rate by {title}", rows=rows[:CHART_ROWS], highest=highest)
        found[name] = (title, rows, in_both_widths(draw, f"rates-{number}"), draw(f"rates-{number}", WIDE))
    return found


def _title(name: str, all_names: Collection[str]) -> str:
    """Return a dimension in words. A packaged one has its short title unless that is the title of an own dimension."""
    own = {formats.words(other) for other in all_names if other not in DIMENSIONS}
    title = DIMENSIONS.get(name, "")
    return formats.words(name) if title in ("", *own) else title


def _compared(site: Row) -> Row:
    """Return a site with the change of its conversion rate since the week before, and whether it is significant."""
    now, before = site["conversion_rate"], site["conversion_rate_before"]
    counts = (site["converted_count"], site["session_count"], site["converted_before_count"], site["before_count"])
    change = None if now is None or before is None else now - before
    return {**site, "change": change, "is_significant": is_significant(*counts)}


def _cohorts(rows: Sequence[Row]) -> list[tuple[Row, list[Row | None]]]:
    """Return each week of first visits with its later weeks; None for a week that is not over."""
    weeks = sorted({row["periods_after"] for row in rows})
    found = []
    for _, group in groupby(rows, itemgetter("first_day")):
        by_week = {row["periods_after"]: row for row in group}
        found.append((by_week[min(by_week)], [by_week.get(week) for week in weeks]))
    return found


def _grouped(rows: Sequence[Row], column: str) -> dict[str, list[Row]]:
    return {name: list(group) for name, group in groupby(rows, itemgetter(column))}
