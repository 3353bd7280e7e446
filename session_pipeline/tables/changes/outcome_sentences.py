"""Describes changed outcomes in plain English, for the column sentence of outcome_changes.

The sentences state what is counted, not a cause.
"""

from datetime import date
from typing import TYPE_CHECKING

from session_pipeline.reference.changes import UNWANTED, Segment
from session_pipeline.tables.changes.phrases import (
    WEEKDAYS,
    capitalized,
    day_text,
    ended_text,
    how_often,
    past_verb,
    present_verb,
    visits_of,
    window_text,
)
from session_pipeline.tables.statistics import percent

if TYPE_CHECKING:  # loads numpy
    from session_pipeline.tables.changes.more_visits import MoreVisits
    from session_pipeline.tables.changes.rows import Ended


def outcome_sentence(
    *,
    segment: Segment,
    outcome: str | None,
    window_days: int,
    last_day: date,
    since: date | None,
    count: int,
    session_count: int,
    expected: float,
    more: "MoreVisits | None" = None,
) -> str:
    """Return the sentence of a row of outcome_changes.

    Args:
        segment: The dimension and its value.
        outcome: The outcome; None for the number of sessions.
        window_days: The days of the window.
        last_day: The last of them.
        since: The day on which the change most likely began; None for rows that are no alert.
        count: The sessions with the outcome.
        session_count: The sessions of the window.
        expected: The count to expect.
        more: The additional visits that can make the rate worse; None if they cannot, or if it is better.
    """
    window = window_text(window_days, last_day)
    if outcome is None:
        return f"{capitalized(window)}, {_number_text(segment, window_days, last_day, count, expected)}"
    rate, usual_rate = count / session_count, expected / session_count
    if since is None or (window_days == 1 and since == last_day):  # nothing says yet that it goes on
        beginning, verb, part = window, past_verb(outcome), ""
    else:
        beginning, verb, part = f"since {day_text(since)}", present_verb(outcome), f" {window}"
    sentence = f"{capitalized(beginning)}, {visits_of(segment)} {verb}"
    counts = f"({count:,} of {session_count:,}){part}"
    if f"{count:,}" == f"{expected:,.0f}":
        sentence += f" about as often as usual: {percent(rate)} {counts}."
    else:
        share, usual_share = _shares(rate, usual_rate)
        sentence += f" {how_often(rate - usual_rate)} than usual: {share} {counts};"
        sentence += f" the usual {usual_share} would be about {expected:,.0f}."
    return f"{sentence} {_more_visits_text(more, outcome)}" if more else sentence


def ended_outcome_sentence(segment: Segment, outcome: str, ended: "Ended") -> str:
    """Return the sentence of a row of outcome_changes whose change is over."""
    often = how_often(ended.rates.during - ended.rates.before)
    return ended_text(f"{visits_of(segment)} {past_verb(outcome)} {often}", ended)


def _number_text(segment: Segment, window_days: int, day: date, count: int, expected: float) -> str:
    """Return how many visits came, compared with what is usual; on a day, on its weekday."""
    visits, usual = visits_of(segment), f"usual on a {WEEKDAYS[day.weekday()]}" if window_days == 1 else "usual"
    if f"{count:,}" == f"{expected:,.0f}":
        return f"about as many {visits} came as {usual}: {count:,}."
    many = "fewer" if count < expected else "more"
    return f"{many} {visits} came than {usual}: {count:,} instead of about {expected:,.0f}."


def _shares(rate: float, usual_rate: float) -> tuple[str, str]:
    """Return two different shares as percentages, with further decimals if they would otherwise be written alike."""
    share, usual_share, digits = percent(rate), percent(usual_rate), 0
    while share == usual_share:
        digits += 1
        share, usual_share = f"{100 * rate:.{digits}f} %", f"{100 * usual_rate:.{digits}f} %"
    return share, usual_share


def _more_visits_text(more: "MoreVisits", outcome: str) -> str:
    """Return what additional visits have to do with a rate that is worse."""
    did = f"did not {present_verb(outcome)}" if outcome in UNWANTED else past_verb(outcome)
    good, usual_good = f"{more.good_count:,}", f"{more.usual_good_count:,.0f}"
    is_lower = more.good_count < more.usual_good_count and good != usual_good  # as written
    lower = "also lower" if more.is_much_lower and is_lower else "not much lower" if is_lower else "not lower"
    text = (
        f"More visits came than usual: {more.count:,} instead of about {more.usual_count:,.0f}. The number that {did}"
        f" is {lower}: {good}, usually about {usual_good}."
    )
    return text if more.segment is None else f"{text} Most of the additional visits are {visits_of(more.segment)}."
