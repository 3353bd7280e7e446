"""Fills in the content of the sections, as much of it as the page has room for.

content.py defines what the templates read. Modules such as outcomes.py and funnels.py prepare the figures of a section,
and charts/ draws the charts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from itertools import accumulate

from session_pipeline.reference.signals import COMPARISONS
from session_pipeline.report import charts, content, outcomes, paths
from session_pipeline.report.breakdowns import breakdowns
from session_pipeline.report.chance import FEWEST
from session_pipeline.report.figures import Figures, Row
from session_pipeline.report.flaws import Look
from session_pipeline.report.funnels import funnel_views, unit
from session_pipeline.report.glossary import glossary
from session_pipeline.report.retention import cohorts, has_first_weeks
from session_pipeline.report.sites import has_several, only_name, with_change
from session_pipeline.report.strengths import has_large_groups, strengths
from session_pipeline.report.tiles import has_one_currency, tiles
from session_pipeline.report.widths import OUTCOMES_WIDE, PAGE_WIDE, WIDE, in_each_width
from session_pipeline.report.window import Window
from session_pipeline.settings import Settings
from session_pipeline.settings_warnings import Findings

MOST_WARNINGS = 20


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


def content_of(figures: Figures, settings: Settings, findings: Findings) -> content.Content:
    """Return the content that every report has."""
    warnings = [warning for warning in findings.warnings if warning.is_in_report]
    return content.Content(
        published=figures.published,
        window=figures.window,
        timezone=settings.timezone,
        warnings=content.Warnings(warnings[:MOST_WARNINGS], more=max(0, len(warnings) - MOST_WARNINGS)),
        quality=content.Quality(
            ledger=figures.rows("ledger")[0],
            files=figures.rows("files"),
            quarantined_lines=figures.rows("quarantined_lines"),
            unfolded_actions=figures.rows("unfolded_actions"),
            can_expire=bool(settings.privacy.keep_days.events),
        ),
        reference=content.Reference(
            glossary=glossary(settings.friction),
            rules=[
                (rule.name, " ".join((rule.where or rule.where_session or "").split())) for rule in settings.outcomes
            ],
            queries=[(name, figures.query(name)) for name in figures.names],
        ),
    )


def visit_content(
    figures: Figures, window: Window, settings: Settings, findings: Findings, look: Look, room: Room
) -> content.VisitContent:
    """Return the content that a report has only if there are visits."""
    visits = {row["period"]: row for row in figures.rows("visits")}
    outcome_rows = outcomes.outcome_rows(figures, settings)
    days_with_conversions = [row["last_seen_day"] for row in outcome_rows if row["is_converted"]]
    shown_outcomes = outcomes.shown_rows(outcome_rows, figures, room.outcomes)
    return content.VisitContent(
        visits=visits,
        converts=any(row["converted_count"] for row in figures.rows("days")),
        has_several_sites=has_several(figures),
        fewest=FEWEST,
        header=content.Header(
            only_site=only_name(figures),
            has_followed_visitors=any(funnel.grain != "session" for funnel in settings.funnels),
        ),
        tiles=tiles(figures, visits, window),
        outcomes=_outcomes(outcome_rows, shown_outcomes, visits, window),
        look=look,
        paths=_paths(figures, outcome_rows, room),
        works=content.Works(
            strengths(figures, window),
            has_large_groups(figures),
            last_conversion_day=max(days_with_conversions, default=None),
            possible_conversions=figures.rows("possible_conversions"),
        ),
        sites=_sites(figures, room),
        found=content.Found(
            compares_difficulties=not COMPARISONS.keys().isdisjoint(settings.friction.signals),
            has_compared_difficulties=bool(figures.rows("opportunities")),
        ),
        funnels=_funnels(figures, settings, findings, room),
        journeys=content.Journeys(*paths.step_grid(figures.rows("steps")), figures.rows("transitions")),
        friction=figures.rows("friction_by_page"),
        pages=content.Pages(
            landing=figures.rows("landing_pages"),
            exit=figures.rows("exit_pages"),
            min_session_count=settings.paths.min_session_count,
            longest=max((row["step_number"] for row in figures.rows("steps") if row["action"] != "(end)"), default=0),
            search_terms=figures.rows("search_terms"),
            searches=figures.rows("searches"),
        ),
        breakdowns=_breakdowns(figures, room),
        retention=_retention(figures, window),
        days=_days(figures, shown_outcomes),
    )


def _outcomes(rows: Sequence[Row], shown: Sequence[Row], visits: Mapping[str, Row], window: Window) -> content.Outcomes:
    bars = outcomes.bars(shown, visits, window)
    return content.Outcomes(
        rows=shown,
        more=len(rows) + 1 - len(shown) if len(shown) < len(rows) else 0,  # one of the shown rows counts them
        chart=in_each_width(partial(charts.stacked_bars, bars=bars), "outcomes", OUTCOMES_WIDE),
        image=charts.stacked_bars("outcomes", OUTCOMES_WIDE, bars, has_legend=True),
    )


def _paths(figures: Figures, outcome_rows: Sequence[Row], room: Room) -> content.Paths:
    sites = figures.rows("sites")
    visit_groups = partial(
        paths.visit_groups,
        figures.rows("usual_paths"),
        figures.rows("common_actions"),
        outcome_rows,
        has_several(figures),
        {row["site"] for row in sites if row["bounce_rate"]},
    )
    groups = visit_groups()
    others = [row["site"] for row in sites if row["session_count"] and row["site"] != groups[0].site]
    others = others if len(sites) > 1 else []  # they are shown with the table of sites
    return content.Paths(
        groups=groups,
        of_other_sites=[visit_groups(of_site=site) for site in others[: room.other_sites]],
        more_sites=max(0, len(others) - room.other_sites),
    )


def _sites(figures: Figures, room: Room) -> content.Sites:
    rows = [with_change(row) for row in figures.rows("sites")]
    return content.Sites(rows[: room.sites], more=max(0, len(rows) - room.sites))


def _funnels(figures: Figures, settings: Settings, findings: Findings, room: Room) -> content.Funnels:
    views = funnel_views(figures, settings, findings)
    shown = fitting([len(view.steps) for view in views.values()], room.funnel_steps)
    return content.Funnels(
        shown=dict(list(views.items())[:shown]),
        more=len(views) - shown,
        units={funnel.name: unit(funnel) for funnel in settings.funnels},
    )


def _breakdowns(figures: Figures, room: Room) -> content.Breakdowns:
    shown, more = breakdowns(figures.rows("breakdowns"), room.dimensions)
    return content.Breakdowns(shown, more, arrows=sorted({width for each in shown for width in each.arrows}))


def _retention(figures: Figures, window: Window) -> content.Retention:
    found = cohorts(figures.rows("retention"))
    return content.Retention(found, has_first_weeks(found, window))


def _days(figures: Figures, shown_outcomes: Sequence[Row]) -> content.Days:
    rows = figures.rows("days")
    return content.Days(
        rows=rows,
        has_one_currency=has_one_currency(figures),
        outcomes=outcomes.outcomes_by_day(figures, shown_outcomes),
        chart=in_each_width(partial(charts.days, rows=rows), "days", PAGE_WIDE, WIDE),
        image=charts.days("days", WIDE, rows),
    )


def fitting(sizes: Sequence[int], room: int) -> int:
    """Return how many of the first parts fit; one always does."""
    return max(min(1, len(sizes)), sum(end <= room for end in accumulate(sizes)))
