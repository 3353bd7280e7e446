"""Finds what to look at first: the steps, outcomes and actions where most is lost, each as a plain sentence.

The order is: sites without visits for days, steps that fewer visits take than before, outcomes that left their usual
range, difficulties after which fewer visits convert, a change that is over, sites without visits on the last day, and
the actions with most difficulties. All but those without visits are associations, and the page says so. places.py
decides what has a place, and quiet.py says what would usually have been found if there are no changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import duckdb
from markupsafe import Markup

from session_pipeline.reference.changes import is_worse
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.report import charts, formats, lost_values, names, places, sites
from session_pipeline.report.constants import EXAMPLES
from session_pipeline.report.figures import FEWEST_SILENT_DAYS, Figures, Row, filled, run_query
from session_pipeline.report.lost_values import Currencies
from session_pipeline.report.observed import observed_visits
from session_pipeline.report.quiet import detectable
from session_pipeline.report.window import Window
from session_pipeline.settings import Settings

MOST = 3
FEWEST_HARD_TIMES = 5
FOLDER_END = "/…"  # of the name of all pages of a folder
HARDLY_ANY = 0.01  # of all visits
CHART_WIDTH = 250

OVER = "Usual again"  # windows with the days since: their rates are not those of the change, so they have no chart

SIGNALS = {
    "error": "saw an error",
    "error_loop": "saw several errors",
    "u_turn": "came and left within seconds",
    "repeated_search": "searched again without opening a result",
    "rage_click": "clicked repeatedly",
    "abandoned_form": "started a form and did not send it",
}


@dataclass(frozen=True)
class Flaw:
    """Something to look at first.

    Attributes:
        kind: What it is, in two or three words.
        sentence: What happens, in plain words.
        notes: Since when, until when, and what is missing.
        examples: Session ids for `session-pipeline show`.
        query: A query of the figures behind it.
        chart: The rates that are compared.
        is_mild: Whether it is over, or only the action with most difficulties, without a comparison.
    """

    kind: str
    sentence: str
    query: str
    notes: Sequence[str] = ()
    examples: Sequence[str] = ()
    chart: Markup | None = None
    is_mild: bool = False


@dataclass(frozen=True)
class Look:
    """What to look at first, and what could have been found if nothing changed.

    Attributes:
        flaws: At most three, the most important first.
        has_changes: Whether one of them is a site without visits for days, a change or a significant difficulty.
        can_compare: Whether any step or outcome was compared with its past.
        detectable: Sentences that say which fault would have been found; empty if there are such changes.
        hard_times: How many visits had a hard time, if there are no flaws; empty if the events cannot show it.
        steps, outcomes, opportunities: The rows of everything that was found, for the table below.
    """

    flaws: Sequence[Flaw]
    has_changes: bool
    can_compare: bool
    detectable: Sequence[str]
    hard_times: str
    steps: Sequence[Row]
    outcomes: Sequence[Row]
    opportunities: Sequence[Row]


class DifficultAction(NamedTuple):
    """An action at which visits had a hard time.

    Attributes:
        row: Its row of the figure friction_by_page.
        signal: The signal that most of these visits have.
        signal_count: The visits with this signal.
        compared: The row of opportunities for this signal, if conversions are missing after it.
    """

    row: Row
    signal: str
    signal_count: int
    compared: Row | None


def look_first(connection: duckdb.DuckDBPyConnection, figures: Figures, settings: Settings) -> Look | None:
    """Return the three flaws to look at first, about the visits of figures.window; None if there are no visits."""
    window = figures.window
    if window is None:
        return None
    conversions = {rule.name for rule in settings.outcomes if rule.is_conversion}
    steps = sites.with_sentences(figures, "changed_steps")
    outcomes = sites.with_sentences(figures, "changed_outcomes")
    opportunities = [row for row in sites.with_sentences(figures, "opportunities") if row["is_significant"]]
    step_values = [lost_values.of_step(row) for row in steps]
    opportunity_values = [lost_values.of_opportunity(row, window.last_day) for row in opportunities]
    currencies = lost_values.currencies(connection, [*step_values, *opportunity_values])
    for row, lost in zip(steps, step_values, strict=True):
        row["sentence"] = currencies.in_sentence(row["sentence"], lost)
    steps = currencies.ordered(steps, step_values, "associated_lost")
    opportunities = currencies.ordered(opportunities, opportunity_values, "associated_lost_conversions")
    worse = [row for row in outcomes if is_worse(row, conversions)]
    first = {(row["site"], row["action"]): row for row in reversed(opportunities)}  # one error can be several signals
    moments = [row for row in opportunities if first[row["site"], row["action"]] is row]
    found = _silence(figures)
    silent_day = _silent_day(figures)
    chosen = places.chosen(steps, worse, moments, window, MOST - len(found) - len(silent_day))
    for number, (kind, row) in enumerate(chosen, start=1):
        if kind == "step":
            found.append(_changed_step(connection, number, row, window, currencies))
        elif kind == "outcome":
            found.append(_changed_outcome(connection, number, row, window))
        else:
            found.append(_opportunity(number, row, window, currencies))
    has_changes = bool(found)
    found += silent_day
    if len(found) < MOST:
        found += _friction(connection, figures, window, MOST - len(found))
    could_find = [] if has_changes and (steps or outcomes) else detectable(figures, window)
    can_compare = any(row["step_count"] or row["outcome_count"] for row in figures.rows("comparisons"))
    few = "" if found else hard_times(figures)
    return Look(found, has_changes, can_compare, could_find, few, steps, outcomes, opportunities)


def _silence(figures: Figures) -> list[Flaw]:
    """Return one flaw about the sites that have no visits any more, or about all sites together."""
    lasting = [row for row in figures.rows("silent_sites") if row["day_count"] >= FEWEST_SILENT_DAYS]
    sentences = [
        f"No visits{_of_site(row)} since {formats.day(row['since'])}; usually there are"
        f" {formats.number(row['usual_count'])} in these {row['day_count']} days."
        for row in _all_or_each(lasting)
    ]
    if not sentences:
        return []
    return [_no_visits(figures, [*_first(sentences), "Check the tracking and the delivery of events."])]


def _silent_day(figures: Figures) -> list[Flaw]:
    """Return one mild flaw about the sites that have no visits on the last day: files often arrive later."""
    rows = figures.rows("silent_sites")
    if any(row["silent_site"] is None and row["day_count"] >= FEWEST_SILENT_DAYS for row in rows):
        return []
    sentences = [
        f"No visits{_of_site(row)} on {formats.day(row['since'])} so far; usually there are"
        f" {formats.number(row['usual_count'])}."
        for row in _all_or_each([row for row in rows if row["day_count"] < FEWEST_SILENT_DAYS])
    ]
    if not sentences:
        return []
    return [_no_visits(figures, [*_first(sentences), "Files of the last day often arrive later."], is_mild=True)]


def _no_visits(figures: Figures, sentences: Sequence[str], *, is_mild: bool = False) -> Flaw:
    return Flaw("No visits", " ".join(sentences), figures.query("silent_sites"), is_mild=is_mild)


def _all_or_each(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the row of all sites together if there is one; it comes first."""
    return rows[:1] if rows and rows[0]["silent_site"] is None else rows


def _first(sentences: Sequence[str]) -> list[str]:
    more = [f"And {formats.counted(len(sentences) - MOST, 'more site')}."] if len(sentences) > MOST else []
    return [*sentences[:MOST], *more]


def _of_site(row: Row) -> str:
    return "" if row["silent_site"] is None else f" on site {formats.isolated(row['silent_site'])}"


def _changed_step(
    connection: duckdb.DuckDBPyConnection, number: int, row: Row, window: Window, currencies: Currencies
) -> Flaw:
    now = _time_of(row, window)
    rates = [(now, row["progress_rate"], "on-loss"), ("before", row["usual_rate"], "ghost-strong")]
    if row["others_rate"] is not None:
        rates.append((f"others {now}", row["others_rate"], "ghost-strong"))
    chart = charts.comparison(f"flaw-step-{number}", CHART_WIDTH, "Share of visits that go on", rates)
    parameters = {name: row[name] for name in ("site", "dimension", "dimension_value", "action", "next_action")}
    return Flaw(
        OVER if row["over_since"] else "Fewer go on",
        row["sentence"],
        filled("flaw_step", {**window.parameters, **parameters}),
        [*_dates(row, window), *currencies.worth(lost_values.of_step(row), row["window_days"])],
        _step_examples(connection, row, parameters),
        None if row["over_since"] else chart,
        is_mild=row["over_since"] is not None,
    )


def _step_examples(connection: duckdb.DuckDBPyConnection, row: Row, parameters: Mapping[str, Any]) -> Sequence[str]:
    """Return visits of the last days of a change that did not take its step, whatever they did instead.

    The ids in the row are only those that did nothing else, so an error or a way back hides the visits that it hit.
    They are used if none is found, as for the value '(other)'.
    """
    first_day = max(row["since"], row["last_seen_day"] - timedelta(days=row["window_days"] - 1))
    day: date = row["last_seen_day"]
    found: list[Row] = []
    # Day by day, because the last one nearly always has enough, and all of 28 big days need more memory than there is.
    while day >= first_day and len(found) < EXAMPLES:
        found += run_query(connection, "flaw_step_examples", {**parameters, "first_day": day, "last_day": day}).rows
        day -= ONE_DAY
    return [example["session_id"] for example in found[:EXAMPLES]] or _ids(row["example_session_ids"])


def _changed_outcome(connection: duckdb.DuckDBPyConnection, number: int, row: Row, window: Window) -> Flaw:
    parameters = {name: row[name] for name in ("site", "dimension", "dimension_value", "outcome")}
    examples = _ids(row["example_session_ids"])  # none if the change is over: the row's day does not show it
    if not examples and row["dimension"] == "all" and row["outcome"] != "(sessions)":
        of_day = {**parameters, "day": row["last_seen_day"], "is_more": row["score"] > 0}
        examples = [found["session_id"] for found in run_query(connection, "flaw_outcome_examples", of_day).rows]
    rates = [(_time_of(row, window), row["rate"], "on-loss"), ("usual", row["usual_rate"], "ghost-strong")]
    title = f"Share of visits with outcome {formats.isolated(formats.words(row['outcome']))}"
    if row["outcome"] == "(converted)":
        title = "Share of visits that convert"
    chart = None
    if row["rate"] is not None and not row["over_since"]:
        chart = charts.comparison(f"flaw-outcome-{number}", CHART_WIDTH, title, rates)
    return Flaw(
        OVER if row["over_since"] else "Unusual",
        row["sentence"],
        filled("flaw_outcome", {**window.parameters, **parameters}),
        _dates(row, window),
        examples,
        chart,
        is_mild=row["over_since"] is not None,
    )


def _opportunity(number: int, row: Row, window: Window, currencies: Currencies) -> Flaw:
    parameters = {name: row[name] for name in ("site", "action", "signal")}
    rates = [("with it", row["rate_with"], "on-loss"), ("without", row["rate_without"], "ghost-strong")]
    key = f"flaw-moment-{number}"
    return Flaw(
        "Goes with fewer conversions",
        row["sentence"],
        filled("flaw_opportunity", {**window.parameters, **parameters}),
        [
            f"last {formats.counted(min(row['window_days'], window.known_days), 'day')}",
            *currencies.worth(lost_values.of_opportunity(row, window.last_day)),
        ],
        _ids(row["example_session_ids"]),
        charts.comparison(key, CHART_WIDTH, "Share of visits that convert later", rates),
    )


def _friction(connection: duckdb.DuckDBPyConnection, figures: Figures, window: Window, count: int) -> list[Flaw]:
    """Return the actions with most difficulties. The first sentence begins with the share of all visits."""
    week = figures.week
    dates = formats.short_days(window.first_day, window.last_day)
    found: list[Flaw] = []
    for difficult in _difficult_actions(figures)[:count]:
        row, other = difficult.row, difficult.compared
        sentence = _hard_time(figures, difficult)
        chart = None
        if other:
            rates = [("with it", other["rate_with"], "other-1"), ("without", other["rate_without"], "ghost-strong")]
            chart = charts.comparison(
                f"flaw-hard-{len(found)}", CHART_WIDTH, "Share of visits that convert later", rates
            )
            sentence += " They converted less often later than comparable visits; this can be chance."
        if not found:
            share = f"{formats.percent(week['friction_rate'])} of {observed_visits(week)}"
            sentence = f"{share} had a hard time. {sentence}"
        query = run_query(
            connection, "flaw_friction", {**window.parameters, "site": row["site"], "action": row["action"]}
        )
        examples = list(dict.fromkeys(example["session_id"] for example in query.rows))[:EXAMPLES]
        found.append(Flaw("Hard time", sentence, query.sql, [dates], examples, chart, is_mild=True))
    return found


def _difficult_actions(figures: Figures) -> list[DifficultAction]:
    """Return the actions with enough difficulties, those that go with most missing conversions first.

    Actions with a significant difficulty are left out, because they have a place of their own.
    """
    compared = {(row["site"], row["action"], row["signal"]): row for row in figures.rows("opportunities")}
    significant = {(row["site"], row["action"]) for row in compared.values() if row["is_significant"]}
    found = []
    for row in figures.rows("friction_by_page"):
        is_action = row["action"] is not None  # the last row is all others
        if (
            is_action
            and row["hard_time_count"] >= FEWEST_HARD_TIMES
            and (row["site"], row["action"]) not in significant
        ):
            counts = {signal: row[f"{signal}_count"] or 0 for signal in SIGNALS}
            most = max(counts, key=lambda signal: counts[signal])
            other = compared.get((row["site"], row["action"], most))
            found.append(DifficultAction(row, most, counts[most], other if _lost(other) >= 1 else None))
    return sorted(
        found,
        key=lambda each: (
            -_lost(each.compared),
            -each.row["hard_time_count"],
            each.row["action"],
            each.row["site"],
        ),
    )


def _hard_time(figures: Figures, difficult: DifficultAction) -> str:
    """Say how many visits had a hard time at an action, and what they met most often."""
    row = difficult.row
    place, action = sites.place(figures, row), names.action_in_sentence(row["action"])
    # An event without a page that is itself the error, so each visit there had it.
    if not row["action"].startswith("/") and row["error_count"] == row["session_count"]:
        return f"{formats.counted(row['error_count'], 'visit')}{place} saw an error: {action}."
    unit = "page visit" if row["action"].endswith(FOLDER_END) else "visit"  # it has a visit for each page
    visits = f"{formats.number(row['hard_time_count'])} of {formats.counted(row['session_count'], unit)}"
    met = f"{formats.number(difficult.signal_count)} {SIGNALS[difficult.signal]}"
    return f"At {action}{place}, {visits} had a hard time: {met}."


def hard_times(figures: Figures) -> str:
    """Say how many visits had a hard time, although no action has enough of them for a flaw of its own."""
    week = figures.week
    if week["friction_rate"] is None:
        return ""
    if not week["hard_time_count"]:
        return "No visit of this week had a hard time that its events can show."
    if week["friction_rate"] < HARDLY_ANY:
        return "Hardly any visit of this week had a hard time."
    return (
        f"{formats.percent(week['friction_rate'])} of {observed_visits(week)} had a hard time, but fewer than"
        f" {FEWEST_HARD_TIMES} at any one page; see Hard times."
    )


def _lost(row: Row | None) -> float:
    return (row["associated_lost_conversions"] or 0.0) if row else 0.0


def _time_of(row: Row, window: Window) -> str:
    """Return when a change was last seen: now, or then if that was before the last day."""
    return "now" if row["last_alert_day"] == window.last_day else "then"


def _dates(row: Row, window: Window) -> list[str]:
    if row["over_since"]:
        if row["since"] == row["last_seen_day"]:
            return [formats.short_day(row["since"])]
        return [formats.short_days(row["since"], row["last_seen_day"])]
    notes = [f"since {formats.short_day(row['since'])}"] if row["since"] else []
    if row["last_alert_day"] < window.last_day:
        notes.append(f"last seen {formats.short_day(row['last_seen_day'])}")
    return notes


def _ids(text: str | None) -> list[str]:
    return (text or "").split()[:EXAMPLES]
