"""Describes changes in plain English, for the column sentence. The sentences state what is counted, not a cause."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from session_pipeline.reference.changes import GOAL, UNWANTED, WHOLE, Segment
from session_pipeline.tables.statistics import of_hundred, percent

if TYPE_CHECKING:  # loads numpy
    from session_pipeline.tables.changes.more_visits import MoreVisits
    from session_pipeline.tables.changes.periods import Shares

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
NO_VALUE, OTHER = "(none)", "other"
# "Mobile visits" says what it means. With own dimensions, "new visits" of a variant or "free visits" would mislead.
WITH_ADJECTIVES = ("channel", "device", "browser", "os")
# The rate of the others is still the same if it differs by at most a tenth of what it was (from 5.8 to
# 2.7 is half), by at most 5 of 100, and by at most a quarter of the change that the sentence is about.
STILL_OF_RATE, STILL, STILL_OF_CHANGE = 0.1, 0.05, 0.25
LEAST_WITH_PERCENT = 100  # visits; a share of fewer is written as two counts


def day_text(day: date) -> str:
    """Return a day as text: 9 April."""
    return f"{day.day} {MONTHS[day.month - 1]}"


def window_text(days: int, day: date) -> str:
    """Return a window that ends with a day as text: in the 7 days to 9 April."""
    return f"on {day_text(day)}" if days == 1 else f"in the {days} days to {day_text(day)}"


def visits_of(segment: Segment, count: int = 2) -> str:
    """Return the visits of a segment as text: mobile visits, visits with variant b; of one: mobile visit."""
    dimension, value = segment
    visits = "visit" if count == 1 else "visits"
    if segment == WHOLE:
        return visits
    if value == NO_VALUE:
        return f"{visits} without {dimension}"
    if value.lower() == OTHER:  # of a device, it is a kind of its own; "other visits" would mean something else
        return f"{visits} with {dimension} {value}"
    if dimension == "landing_action":
        return f"{visits} that begin with {value}"
    is_adjective = dimension in WITH_ADJECTIVES and value.isalpha() and len(value) > 2
    return f"{value} {visits}" if is_adjective else f"{visits} with {dimension} {value}"


def days_text(first: date, last: date) -> str:
    """Return days as text: on 9 April, from 9 to 12 April, from 28 March to 2 April."""
    if first == last:
        return f"on {day_text(first)}"
    start = str(first.day) if (first.year, first.month) == (last.year, last.month) else day_text(first)
    return f"from {start} to {day_text(last)}"


def step_text(segment: Segment, action: str, next_action: str) -> str:
    """Return a step as text, for explained_by: platform=mobile: shipping > payment."""
    return f"{segment[0]}={segment[1]}: {action} > {next_action}"


def drop_text(segment: Segment, action: str, next_action: str) -> str:
    """Return a drop without figures as text: fewer mobile visits at shipping go on to payment."""
    does = "convert afterwards" if next_action == GOAL else f"go on to {next_action}"
    return f"fewer {visits_of(segment)} at {action} {does}"


def outcome_text(segment: Segment, outcome: str, score: float) -> str:
    """Return a changed outcome without figures as text: fewer mobile visits end with purchase."""
    does = {"(sessions)": "came than usual", "(converted)": "convert"}.get(outcome, f"end with {outcome}")
    return f"{'fewer' if score < 0 else 'more'} {visits_of(segment)} {does}"


def progress_sentence(
    *,
    segment: Segment,
    action: str,
    next_action: str,
    window_days: int,
    last_day: date,
    since: date | None,
    count: int,
    progressed_count: int,
    rate_before: float | None,
    others: Sequence[str],
    others_rate: float | None,
    others_rate_before: float | None,
    lost: float,
    lost_value: float | None,
    has_older: bool,
    explained_by: str | None,
) -> str:
    """Return the sentence of a row of progress_changes.

    Args:
        segment: The dimension and its value.
        action: The action.
        next_action: The later action.
        window_days: The days of the window.
        last_day: The last of them.
        since: The day on which the change most likely began; None for rows that are no alert.
        count: The visits at the action in the window.
        progressed_count: Of count: the visits that went on.
        rate_before: The share that went on before the window and before `since`; None without sessions.
        others: The other values of the dimension.
        others_rate: The share of the other values that goes on now; None without sessions.
        others_rate_before: The share of the other values that went on before, on the same days; None without sessions.
        lost: The conversions that are missing; negative for a gain.
        lost_value: The value of the missing conversions, or None.
        has_older: Whether days before the window have an older drop, which also lowers what is usual.
        explained_by: The alert that accounts for the drop, or None.
    """
    rate = progressed_count / count
    window = window_text(window_days, last_day)
    did = "converted afterwards" if next_action == GOAL else f"went on to {next_action}"
    does = "convert afterwards" if next_action == GOAL else f"go on to {next_action}"
    share = f"{percent(rate)} of {count:,}" if count >= LEAST_WITH_PERCENT else f"{progressed_count} of {count}"
    if since is None:
        sentence = f"{window[0].upper()}{window[1:]}, {share} {visits_of(segment)} at {action} {did}"
    elif window_days == 1 and since == last_day:  # nothing says yet that it goes on
        sentence = f"On {day_text(since)}, fewer {visits_of(segment)} at {action} {did}: {share}"
    else:
        sentence = f"Since {day_text(since)}, fewer {visits_of(segment)} at {action} {does}: {share} {window}"
    if rate_before is not None:
        sentence += f"; before it was {percent(rate_before)}"
        if others_rate is not None and others_rate_before is not None:
            whom = visits_of((segment[0], others[0])) if len(others) == 1 else "the others"
            if _is_still(others_rate, others_rate_before, abs(rate - rate_before)):
                sentence += f", for {whom} it still is {percent(others_rate)}"
            else:
                sentence += f", for {whom} it went from {percent(others_rate_before)} to {percent(others_rate)}"
    sentence += "."
    missing = f"{abs(lost):,.0f}"
    worth = _worth((lost_value or 0.0) if lost > 0 else -(lost_value or 0.0))
    if missing != "0":
        are = "conversion is" if missing == "1" else "conversions are"
        more = "conversion more than usual goes" if missing == "1" else "conversions more than usual go"
        happens = f"{are} missing" if lost > 0 else f"{more} with it"
        part = _part_of_change(since, window_days, last_day)
        about = _about(has_older or _is_older(since, window_days, last_day))
        sentence += f" {about} {missing} {happens}{part}{worth}."
    return sentence + (f" It follows from {explained_by}." if explained_by else "")


def ended_progress_sentence(
    *,
    segment: Segment,
    action: str,
    next_action: str,
    window_days: int,
    last_day: date,
    since: date,
    over_since: date,
    rates: "Shares",
    lost: float,
    lost_value: float | None,
    has_older: bool,
) -> str:
    """Return the sentence of a row of progress_changes whose drop is over.

    Args:
        segment: The dimension and its value.
        action: The action.
        next_action: The later action.
        window_days: The days of the window.
        last_day: The last of them.
        since: The day on which the drop most likely began.
        over_since: The first day after it.
        rates: The share that went on before, during and since.
        lost: The conversions that are missing in the window.
        lost_value: Their value, or None.
        has_older: Whether days before the window have an older drop, which also lowers what is usual.
    """
    did = "converted afterwards" if next_action == GOAL else f"went on to {next_action}"
    sentence = f"fewer {visits_of(segment)} at {action} {did}"
    sentence = _ended_sentence(sentence, since, over_since, rates)
    count = f"{abs(lost):,.0f}"
    if lost > 0 and count != "0":
        are = "conversion is" if count == "1" else "conversions are"
        window = window_text(window_days, last_day)
        about = _about(has_older or _is_older(since, window_days, last_day)).lower()
        sentence += f" {window[0].upper()}{window[1:]}, {about} {count} {are} missing{_worth(lost_value or 0.0)}."
    return sentence


def _part_of_change(since: date | None, window_days: int, last_day: date) -> str:
    """Return the window to put behind its conversions, if the change began before it; the others are not counted."""
    if not _is_older(since, window_days, last_day):
        return ""
    return " on that day" if window_days == 1 else f" in these {window_days} days"


def _about(is_lower_bound: bool) -> str:
    """Return what to put before conversions. A change before the window also lowers what is usual: more are missing."""
    return "At least about" if is_lower_bound else "About"


def _is_older(since: date | None, window_days: int, last_day: date) -> bool:
    """Whether a change began before the window."""
    return since is not None and since <= last_day - timedelta(days=window_days)


def _worth(value: float) -> str:
    """Return the value to put behind conversions; nothing for a negative one, which refunds can cause."""
    return f", worth about {value:,.0f}" if round(value) > 0 else ""


def _ended_sentence(what: str, since: date, over_since: date, rates: "Shares") -> str:
    before, during, afterwards = map(percent, rates)
    when = days_text(since, over_since - timedelta(days=1))
    return (
        f"{when[0].upper()}{when[1:]}, {what}: {during}; before it was {before}, and since"
        f" {day_text(over_since)} it is {afterwards}."
    )


def _is_still(rate: float, before: float, change: float) -> bool:
    """Whether a site owner would call the rate of the others unchanged; rates that are written alike always are."""
    largest = min(STILL_OF_RATE * before, STILL, STILL_OF_CHANGE * change)
    return abs(rate - before) <= largest or of_hundred(rate) == of_hundred(before)


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
    when = window[0].upper() + window[1:]
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


def _more_visits_text(more: "MoreVisits", how: str, outcome: str) -> str:
    """Return what additional visits have to do with a rate that is worse. `how` is what visits with the outcome did."""
    did = f"did not end with {outcome}" if outcome in UNWANTED else how
    text = (
        f"More visits came than usual: {more.count:,} instead of about {more.usual_count:,.0f}. The number that {did}"
        f" is not much lower: {more.kept_count:,}, usually about {more.usual_kept_count:,.0f}."
    )
    return text if more.segment is None else f"{text} Most of the additional visits are {visits_of(more.segment)}."


def ended_outcome_sentence(*, segment: Segment, outcome: str, since: date, over_since: date, rates: "Shares") -> str:
    """Return the sentence of a row of outcome_changes whose change is over.

    Args:
        segment: The dimension and its value.
        outcome: The outcome.
        since: The day on which the change most likely began.
        over_since: The first day after it.
        rates: The share of sessions with the outcome before, during and since.
    """
    how = "converted" if outcome == "(converted)" else f"ended with {outcome}"
    fewer = "fewer" if rates.during < rates.before else "more"
    return _ended_sentence(f"{fewer} {visits_of(segment)} {how}", since, over_since, rates)
