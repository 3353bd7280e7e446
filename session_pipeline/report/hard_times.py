"""Finds the actions at which most visits had a hard time, such as an error or a search without a result."""

from typing import NamedTuple

import duckdb

from session_pipeline.reference.signals import HARD_TIME_SIGNALS, USES, Signal
from session_pipeline.report import charts, formats, names, sites
from session_pipeline.report.constants import EXAMPLES
from session_pipeline.report.figures import Figures, Row, run_query
from session_pipeline.report.flaw import CHART_WIDTH, Flaw
from session_pipeline.report.observed import observed_visits
from session_pipeline.report.window import Window

FEWEST_HARD_TIMES = 5
HARDLY_ANY = 0.01  # of all visits

# Of signals that equally many visits have, the first is named: these, and then the others.
NAMED_FIRST: tuple[Signal, ...] = ("error", "error_loop", "u_turn", "repeated_search")


class DifficultAction(NamedTuple):
    """An action at which visits had a hard time.

    Attributes:
        row: Its row of the figure friction_by_page.
        signal: The signal that most of these visits have.
        signal_count: The visits with this signal.
        compared: The row of opportunities for this signal, if conversions are missing after it.
    """

    row: Row
    signal: Signal
    signal_count: int
    compared: Row | None


def most_difficult(connection: duckdb.DuckDBPyConnection, figures: Figures, window: Window, count: int) -> list[Flaw]:
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
        examples = [example["session_id"] for example in query.rows[:EXAMPLES]]
        found.append(Flaw("Hard time", sentence, query.sql, [dates], examples, chart, is_mild=True))
    return found


def _difficult_actions(figures: Figures) -> list[DifficultAction]:
    """Return the actions with enough difficulties, those that go with most missing conversions first.

    Actions with a significant difficulty are left out, because they have a place of their own unless it is over.
    """
    compared = {(row["site"], row["action"], row["signal"]): row for row in figures.rows("opportunities")}
    has_place = {
        (row["site"], row["action"]) for row in compared.values() if row["is_significant"] and not row["is_over"]
    }
    signals = dict.fromkeys((*NAMED_FIRST, *HARD_TIME_SIGNALS))
    found = []
    for row in figures.rows("friction_by_page"):
        place = row["site"], row["action"]
        is_of_all_others = row["action"] is None  # the last row
        if is_of_all_others or row["hard_time_count"] < FEWEST_HARD_TIMES or place in has_place:
            continue
        counts = {signal: row[f"{signal}_count"] or 0 for signal in signals}
        most = max(counts, key=lambda signal: counts[signal])
        other = compared.get((*place, most))
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
    if row["session_count"] is None:  # of a folder
        visits = formats.counted(row["hard_time_count"], "page visit" if row["is_by_page"] else "visit")
    else:
        visits = f"{formats.number(row['hard_time_count'])} of {formats.counted(row['session_count'], 'visit')}"
    met = f"{formats.number(difficult.signal_count)} {USES[difficult.signal].hard_time}"
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
