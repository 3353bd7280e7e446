"""Describes changed outcomes in plain English, for the column sentence of outcome_changes.

The sentences state what is counted, not a cause.
"""

from datetime import date
from typing import TYPE_CHECKING

from session_pipeline.reference.changes import UNWANTED, Segment
from session_pipeline.tables.changes.phrases import capitalized, day_text, ended_text, visits_of, window_text
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
    when = capitalized(window_text(window_days, last_day))
    if outcome is None:
        were = "was" if count == 1 else "were"
        visits = visits_of(segment, count)
        return f"{when}, there {were} {count:,} {visits}; on this weekday there are usually {expected:,.0f}."
    how = "converted" if outcome == "(converted)" else f"ended with {outcome}"
    rate, usual_rate = (each / session_count if session_count else 0.0 for each in (count, expected))
    sentence = f"{when}, {count:,} of {session_count:,} {visits_of(segment)} {how} ({percent(rate)});"
    of_so_many = "of so many, " if more else ""  # so that it is not taken for the usual number
    sentence += f" {of_so_many}usually it is about {expected:,.0f} ({percent(usual_rate)})."
    if since is not None and not (window_days == 1 and since == last_day):
        sentence += f" It most likely began on {day_text(since)}."
    return f"{sentence} {_more_visits_text(more, how, outcome)}" if more else sentence


def ended_outcome_sentence(segment: Segment, outcome: str, ended: "Ended") -> str:
    """Return the sentence of a row of outcome_changes whose change is over."""
    how = "converted" if outcome == "(converted)" else f"ended with {outcome}"
    fewer = "fewer" if ended.rates.during < ended.rates.before else "more"
    return ended_text(f"{fewer} {visits_of(segment)} {how}", ended)


def _more_visits_text(more: "MoreVisits", how: str, outcome: str) -> str:
    """Return what additional visits have to do with a rate that is worse. `how` is what visits with the outcome did."""
    did = f"did not end with {outcome}" if outcome in UNWANTED else how
    kept, usual_kept = f"{more.kept_count:,}", f"{more.usual_kept_count:,.0f}"
    is_lower = more.kept_count < more.usual_kept_count and kept != usual_kept  # as written
    text = (
        f"More visits came than usual: {more.count:,} instead of about {more.usual_count:,.0f}. The number that {did}"
        f" is not {'much ' if is_lower else ''}lower: {kept}, usually about {usual_kept}."
    )
    return text if more.segment is None else f"{text} Most of the additional visits are {visits_of(more.segment)}."
