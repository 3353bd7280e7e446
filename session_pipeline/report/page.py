"""Renders the report as HTML: figures and charts in the templates of templates/, with all content escaped.

sections.py fills in the content that content.py defines; templates/ has the texts, and glossary.py the meanings.
figures.py runs the queries, charts/ draws the charts, and formats.py formats numbers and days.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from session_pipeline.report import formats, names, sections
from session_pipeline.report.compiled import CompiledTemplates
from session_pipeline.report.content import VisitContent
from session_pipeline.report.figures import Figures
from session_pipeline.report.flaws import Look
from session_pipeline.report.long_names import long_names
from session_pipeline.report.observed import observed_visits
from session_pipeline.report.sections import Room
from session_pipeline.report.svg import standalone
from session_pipeline.settings import Settings
from session_pipeline.settings_warnings import Findings

TEMPLATES = Path(__file__).with_name("templates")
MOST_BYTES = 400_000  # of a page
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
    content = sections.content_of(figures, settings, findings)
    visits = None
    if figures.window is not None and look is not None:
        visits = sections.visit_content(figures, figures.window, settings, findings, look, room)
    read = {**vars(content), **(vars(visits) if visits else {})}
    text = templates().get_template("page.html").render(read, find_long_names=partial(long_names, figures))
    text = formats.allowed(text)  # names of events can have any character
    return Page(text, figures.window.last_day if figures.window else None, _charts(visits) if visits else {})


def _charts(visits: VisitContent) -> dict[str, str]:
    """Return the main charts: how visits ended, what to look at first, day by day, the funnels and who converts."""
    found = {"How visits ended": visits.outcomes.image}
    found |= {
        f"Look here first, {number}: {flaw.sentence}": flaw.chart
        for number, flaw in enumerate(visits.look.flaws, start=1)
        if flaw.chart
    }
    found |= {"Day by day": visits.days.image}
    found |= {f"Funnel {name}": funnel.chart for name, funnel in visits.funnels.shown.items() if funnel.chart}
    if visits.converts:
        found |= {f"Conversion rate by {each.title}": each.image for each in visits.breakdowns.shown}
    return {title: standalone(image) for title, image in found.items()}


def breakable(text: str) -> Markup:
    """Let a line break before each slash of a path, so that it does not break within a word."""
    return Markup("<wbr>").join(INNER_SLASH.split(text))
