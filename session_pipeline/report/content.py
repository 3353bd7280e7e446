"""Defines what the templates read: two records with the names that they know, and a record for most sections.

The fields of Content are names in every report, and those of VisitContent in a report with visits. A field named like
a template, such as `funnels` for funnels.html, is what that template reads. sections.py fills both in, and page.py
renders them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from session_pipeline.report.breakdowns import Breakdown
from session_pipeline.report.figures import Row
from session_pipeline.report.flaws import Look
from session_pipeline.report.funnels import FunnelView
from session_pipeline.report.paths import VisitGroup
from session_pipeline.report.retention import Cohort
from session_pipeline.report.strengths import Strength
from session_pipeline.report.tiles import Tile
from session_pipeline.report.window import Window
from session_pipeline.settings_warnings.model import SettingsWarning


@dataclass(frozen=True)
class Warnings:
    """What warnings.html reads: the first warnings about the settings, and how many more there are."""

    shown: Sequence[SettingsWarning]
    more: int


@dataclass(frozen=True)
class Quality:
    """What quality.html reads, and empty.html if there are no visits.

    Attributes:
        ledger: The counts of all delivered lines.
        files: Delivered files by source and status.
        quarantined_lines: Quarantined lines by reason.
        unfolded_actions: Folders with so many pages that their names are probably ids.
        can_expire: Whether events expire.
    """

    ledger: Row
    files: Sequence[Row]
    quarantined_lines: Sequence[Row]
    unfolded_actions: Sequence[Row]
    can_expire: bool


@dataclass(frozen=True)
class Reference:
    """What reference.html reads: terms, rules of outcomes and queries, each with its meaning or text."""

    glossary: Sequence[tuple[str, str]]
    rules: Sequence[tuple[str, str]]
    queries: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Content:
    """What the templates read of every report.

    Attributes:
        published: The row of warehouse_info.
        window: The days that the report covers; None if there are no visits.
        timezone: The time zone of the days.
    """

    published: Row
    window: Window | None
    timezone: str
    warnings: Warnings
    quality: Quality
    reference: Reference


@dataclass(frozen=True)
class Header:
    """What header.html reads.

    Attributes:
        only_site: The name of the one site that the report covers; empty if there are several, or if nobody named it.
        has_followed_visitors: Whether a funnel can go on in later visits.
    """

    only_site: str
    has_followed_visitors: bool


@dataclass(frozen=True)
class Outcomes:
    """What outcomes.html reads.

    Attributes:
        rows: The outcomes, each with its colour and trend.
        more: How many outcomes share the row of all others.
        chart: The chart of the page.
        image: The chart for other places, with a legend.
    """

    rows: Sequence[Row]
    more: int
    chart: Markup
    image: Markup


@dataclass(frozen=True)
class Paths:
    """What paths.html reads, and sites.html of the other sites.

    Attributes:
        groups: The visits with and without a conversion, with their usual paths.
        of_other_sites: The same for each other site, if there are several.
        more_sites: How many other sites have no room.
    """

    groups: Sequence[VisitGroup]
    of_other_sites: Sequence[Sequence[VisitGroup]]
    more_sites: int


@dataclass(frozen=True)
class Works:
    """What works.html reads.

    Attributes:
        strengths: What works.
        has_large_groups: Whether any group of visits is large enough to be compared.
        last_conversion_day: The last day with a conversion; None if no visit ever converted.
        possible_conversions: Actions that are not pages, to be shown if no visit ever converted.
    """

    strengths: Sequence[Strength]
    has_large_groups: bool
    last_conversion_day: date | None
    possible_conversions: Sequence[Row]


@dataclass(frozen=True)
class Sites:
    """What sites.html reads: the sites, each with the change of its conversion rate, and how many have no room."""

    rows: Sequence[Row]
    more: int


@dataclass(frozen=True)
class Found:
    """What found.html reads, in addition to `look`.

    Attributes:
        compares_difficulties: Whether the settings have a signal that is compared.
        has_compared_difficulties: Whether any difficulty was compared.
    """

    compares_difficulties: bool
    has_compared_difficulties: bool


@dataclass(frozen=True)
class Funnels:
    """What funnels.html reads.

    Attributes:
        shown: The funnels by name, in the order of the settings.
        more: How many funnels have no room.
        units: What each funnel of the settings counts, by name.
    """

    shown: Mapping[str, FunnelView]
    more: int
    units: Mapping[str, str]


@dataclass(frozen=True)
class Journeys:
    """What journeys.html reads.

    Attributes:
        positions: The positions in a visit, from 1.
        grid: Each action with its visits at each position.
        transitions: The most common steps from an action to another.
    """

    positions: Sequence[int]
    grid: Sequence[tuple[str, Sequence[Row | None]]]
    transitions: Sequence[Row]


@dataclass(frozen=True)
class Pages:
    """What pages.html reads.

    Attributes:
        landing: First actions.
        exit: Last actions of visits without a conversion.
        min_session_count: The setting that combines rare actions.
        longest: The last position at which a visit has an action, among those that are shown, also a combined one.
        search_terms: All searches, then the terms that enough visitors searched for.
        searches: Where visits searched again.
    """

    landing: Sequence[Row]
    exit: Sequence[Row]
    min_session_count: int
    longest: int
    search_terms: Sequence[Row]
    searches: Sequence[Row]


@dataclass(frozen=True)
class Breakdowns:
    """What breakdowns.html reads.

    Attributes:
        shown: The dimensions with more than one value.
        more: How many of them have no room.
        arrows: The widths of the page, `wide` or `narrow`, in which a chart has an arrow: their scales differ.
    """

    shown: Sequence[Breakdown]
    more: int
    arrows: Sequence[str]


@dataclass(frozen=True)
class Retention:
    """What retention.html reads.

    Attributes:
        cohorts: The visitors of each week.
        has_first_weeks: Whether some of these weeks are so early that visits before them are not known.
    """

    cohorts: Sequence[Cohort]
    has_first_weeks: bool


@dataclass(frozen=True)
class Days:
    """What days.html reads; header.html, outcomes.html and works.html read the rows.

    Attributes:
        rows: The days of the trend, in order.
        has_one_currency: Whether the values of these days can be added.
        outcomes: Each day with the visits of each outcome, latest first.
        chart: The chart of the page.
        image: The chart for other places.
    """

    rows: Sequence[Row]
    has_one_currency: bool
    outcomes: Sequence[tuple[date, Sequence[int]]]
    chart: Markup
    image: Markup


@dataclass(frozen=True)
class VisitContent:
    """What the templates read only if there are visits.

    Attributes:
        visits: The figures of all visits by period: the week, the week before and the last day.
        converts: Whether any visit of the days of the trend converted.
        has_several_sites: Whether the report covers several sites.
        fewest: Of how many visits or visitors a share is certain enough to be compared.
        friction: The pages and actions where visits had a hard time.
    """

    visits: Mapping[str, Row]
    converts: bool
    has_several_sites: bool
    fewest: int
    header: Header
    tiles: Sequence[Tile]
    outcomes: Outcomes
    look: Look
    paths: Paths
    works: Works
    sites: Sites
    found: Found
    funnels: Funnels
    journeys: Journeys
    friction: Sequence[Row]
    pages: Pages
    breakdowns: Breakdowns
    retention: Retention
    days: Days
