"""Finds what to look at first: the steps, outcomes and actions where most is lost, each as a plain sentence.

The order is: sites without visits for days, days without visits between others, steps that fewer visits take than
before, outcomes that left their usual range, difficulties after which fewer visits convert, a change that is over,
conversions with other values, sites without visits on the last day, and the actions with most difficulties. All but
those without visits and other values are associations, and the page says so. silence.py finds the sites and days
without visits, changed_values.py the other values, and hard_times.py the actions with most difficulties; places.py
decides what has a place, and quiet.py says what would usually have been found if there are no changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from session_pipeline.reference.changes import is_worse
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.report import charts, formats, lost_values, places, sites
from session_pipeline.report.changed_values import changed_values
from session_pipeline.report.constants import EXAMPLES
from session_pipeline.report.figures import Figures, Row, filled, run_query
from session_pipeline.report.flaw import CHART_WIDTH, MOST, Flaw
from session_pipeline.report.hard_times import hard_times, most_difficult
from session_pipeline.report.lost_values import Currencies
from session_pipeline.report.quiet import detectable
from session_pipeline.report.silence import lasting_silence, missing_days, silence_of_the_last_day
from session_pipeline.report.window import Window
from session_pipeline.settings import Settings

OVER = "Usual again"  # windows with the days since: their rates are not those of the change, so they have no chart


@dataclass(frozen=True)
class Look:
    """What to look at first, and what could have been found if nothing changed.

    Attributes:
        flaws: At most three, the most important first.
        has_changes: Whether one is about days without visits, other values, a change or a significant difficulty. The
            last day alone does not count.
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


def look_first(connection: duckdb.DuckDBPyConnection, figures: Figures, settings: Settings) -> Look | None:
    """Return the three flaws to look at first, about the visits of figures.window; None if there are no visits."""
    window = figures.window
    if window is None:
        return None
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
    conversions = settings.conversions
    worse = [row for row in outcomes if is_worse(row, conversions)]
    present = [row for row in opportunities if not row["is_over"]]
    first = {(row["site"], row["action"]): row for row in reversed(present)}  # one error can be several signals
    moments = [row for row in present if first[row["site"], row["action"]] is row]
    found = lasting_silence(figures) + missing_days(figures)
    # Both keep a place. Other values come after steps: a sale halves values, too, and a broken step is worse.
    values, silent_day = changed_values(figures), silence_of_the_last_day(figures)
    chosen = places.chosen(steps, worse, moments, window, MOST - len(found) - len(values) - len(silent_day))
    for number, (kind, row) in enumerate(chosen, start=1):
        if kind == "step":
            found.append(_changed_step(connection, number, row, window, currencies))
        elif kind == "outcome":
            found.append(_changed_outcome(connection, number, row, window))
        else:
            found.append(_opportunity(connection, number, row, window, currencies))
    has_changes = bool(found or values)
    found = [*found, *values, *silent_day][:MOST]
    if len(found) < MOST:
        found += most_difficult(connection, figures, window, MOST - len(found))
    could_find = [] if has_changes and (steps or outcomes) else detectable(figures, window)
    can_compare = any(row["step_count"] or row["outcome_count"] for row in figures.rows("comparisons"))
    few = "" if found else hard_times(figures)
    return Look(found, has_changes, can_compare, could_find, few, steps, outcomes, opportunities)


def _changed_step(
    connection: duckdb.DuckDBPyConnection, number: int, row: Row, window: Window, currencies: Currencies
) -> Flaw:
    now, is_least = _time_of(row, window), lost_values.is_lower_bound(row)
    # As in the sentence: the usual rate also has days of a change that is older than its window.
    before = ("usual", row["usual_rate"]) if row["before_rate"] is None else ("before", row["before_rate"])
    rates = [(now, row["progress_rate"], "on-loss"), (*before, "ghost-strong")]
    if row["others_rate"] is not None:
        rates.append((f"others {now}", row["others_rate"], "ghost-strong"))
    chart = charts.comparison(f"flaw-step-{number}", CHART_WIDTH, "Share of visits that go on", rates)
    parameters = {name: row[name] for name in ("site", "dimension", "dimension_value", "action", "next_action")}
    return Flaw(
        OVER if row["over_since"] else "Fewer go on",
        row["sentence"],
        filled("flaw_step", {**window.parameters, **parameters}),
        [
            *_dates(row, window),
            *currencies.worth(lost_values.of_step(row), row["window_days"], is_lower_bound=is_least),
        ],
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
    return [example["session_id"] for example in found[:EXAMPLES]] or _known_examples(connection, row)


def _changed_outcome(connection: duckdb.DuckDBPyConnection, number: int, row: Row, window: Window) -> Flaw:
    parameters = {name: row[name] for name in ("site", "dimension", "dimension_value", "outcome")}
    examples = _known_examples(connection, row)  # none if the change is over: the row's day does not show it
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


def _opportunity(
    connection: duckdb.DuckDBPyConnection, number: int, row: Row, window: Window, currencies: Currencies
) -> Flaw:
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
        _known_examples(connection, {**row, "last_alert_day": window.last_day}),
        charts.comparison(key, CHART_WIDTH, "Share of visits that convert later", rates),
    )


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


def _known_examples(connection: duckdb.DuckDBPyConnection, row: Row) -> list[str]:
    """Return the examples in a row of the window that ends with its last alert, if `show` can still show them."""
    ids = (row["example_session_ids"] or "").split()
    if not ids:
        return []
    last_day = row["last_alert_day"]
    first_day = last_day - timedelta(days=row["window_days"] - 1)
    parameters = {"session_ids": " ".join(ids), "first_day": first_day, "last_day": last_day}
    rows = run_query(connection, "flaw_known_examples", parameters).rows
    known = {found["session_id"] for found in rows}
    return [each for each in ids if each in known][:EXAMPLES]
