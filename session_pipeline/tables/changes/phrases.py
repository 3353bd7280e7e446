"""Names visits, days, steps and outcomes in plain English, for the sentences of changes and for alerts.

progress_sentences.py and outcome_sentences.py make the sentences.
"""

from datetime import date, timedelta
from typing import TYPE_CHECKING

from session_pipeline.reference.changes import GOAL, WHOLE, Segment
from session_pipeline.tables.statistics import percent

if TYPE_CHECKING:  # loads numpy
    from session_pipeline.tables.changes.rows import Ended

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# What visits with an outcome do and did; of other outcomes, they end with it
VERBS = {
    "(converted)": ("convert", "converted"),
    "engaged": ("end as engaged", "ended as engaged"),
    "bounce": ("bounce", "bounced"),
}
NO_VALUE, OTHER = "(none)", "other"
# "Mobile visits" says what it means. With own dimensions, "new visits" of a variant or "free visits" would mislead.
WITH_ADJECTIVES = ("channel", "device", "browser", "os")


def day_text(day: date) -> str:
    """Return a day as text: 9 April."""
    return f"{day.day} {MONTHS[day.month - 1]}"


def window_text(days: int, day: date) -> str:
    """Return a window that ends with a day as text: in the 7 days to 9 April."""
    return f"on {day_text(day)}" if days == 1 else f"in the {days} days to {day_text(day)}"


def visits_of(segment: Segment) -> str:
    """Return the visits of a segment as text: mobile visits, visits with variant b."""
    dimension, value = segment
    if segment == WHOLE:
        return "visits"
    if value == NO_VALUE:
        return f"visits without {dimension}"
    if value.lower() == OTHER:  # of a device, it is a kind of its own; "other visits" would mean something else
        return f"visits with {dimension} {value}"
    if dimension == "landing_action":
        return f"visits that begin with {value}"
    is_adjective = dimension in WITH_ADJECTIVES and value.isalpha() and len(value) > 2
    return f"{value} visits" if is_adjective else f"visits with {dimension} {value}"


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


def present_verb(outcome: str) -> str:
    """Return what visits with an outcome do: convert, bounce, end with purchase."""
    return VERBS[outcome][0] if outcome in VERBS else f"end with {outcome}"


def past_verb(outcome: str) -> str:
    """Return what visits with an outcome did: converted, bounced, ended with purchase."""
    return VERBS[outcome][1] if outcome in VERBS else f"ended with {outcome}"


def how_often(change: float) -> str:
    """Return in which direction a share changed. With more visits than usual, their number can change otherwise."""
    return "less often" if change < 0 else "more often"


def outcome_text(segment: Segment, outcome: str, score: float) -> str:
    """Return a changed outcome without figures as text: mobile visits end with purchase less often."""
    visits = visits_of(segment)
    if outcome == "(sessions)":
        return f"{'fewer' if score < 0 else 'more'} {visits} came than usual"
    return f"{visits} {present_verb(outcome)} {how_often(score)}"


def ended_text(what: str, ended: "Ended") -> str:
    """Return the sentence of a change that is over. `what` says what visits did on its days, in the past tense."""
    before, during, afterwards = map(percent, ended.rates)
    when = days_text(ended.since, ended.over_since - timedelta(days=1))
    return (
        f"{capitalized(when)}, {what}: {during}; before it was {before}, and since"
        f" {day_text(ended.over_since)} it is {afterwards}."
    )


def capitalized(text: str) -> str:
    """Return a text with a capital letter at its beginning. The other letters stay, as those of months do."""
    return text[0].upper() + text[1:]
