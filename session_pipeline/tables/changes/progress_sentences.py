"""Describes changed steps in plain English, for the column sentence of progress_changes.

The sentences state what is counted, not a cause.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from session_pipeline.reference.changes import GOAL, Segment
from session_pipeline.tables.changes.phrases import capitalized, day_text, days_text, ended_text, visits_of, window_text
from session_pipeline.tables.statistics import about, of_hundred, percent

if TYPE_CHECKING:  # loads numpy
    from session_pipeline.tables.changes.rows import Ended

# The rate of the others is still the same if it differs by at most a tenth of what it was (from 5.8 to
# 2.7 is half), by at most 5 of 100, and by at most a quarter of the change that the sentence is about.
STILL_OF_RATE, STILL, STILL_OF_CHANGE = 0.1, 0.05, 0.25
LEAST_WITH_PERCENT = 100  # visits; a share of fewer is written as two counts


@dataclass(frozen=True)
class ChangedStep:
    """A step in a window of days, and the conversions that go with its change.

    Attributes:
        segment: The dimension and its value.
        action: The action.
        next_action: The later action.
        window_days: The days of the window.
        last_day: The last of them.
        lost: The conversions that are missing in the window; negative for a gain.
        lost_value: The value of the missing conversions, or None.
        has_older: Whether days before the window have an older drop, which also lowers what is usual.
        older_days: The first and the last day of the window that an older drop has, which was over; None without one.
    """

    segment: Segment
    action: str
    next_action: str
    window_days: int
    last_day: date
    lost: float
    lost_value: float | None
    has_older: bool
    older_days: tuple[date, date] | None = None

    @property
    def window(self) -> str:
        """The window as text."""
        return window_text(self.window_days, self.last_day)

    @property
    def visits(self) -> str:
        """The visits at the action, as text."""
        return f"{visits_of(self.segment)} at {self.action}"

    @property
    def does(self) -> str:
        """What visits do that take the step."""
        return "convert afterwards" if self.next_action == GOAL else f"go on to {self.next_action}"

    @property
    def did(self) -> str:
        """What visits did that took the step."""
        return "converted afterwards" if self.next_action == GOAL else f"went on to {self.next_action}"

    def is_older(self, since: date | None) -> bool:
        """Whether a change began before the window."""
        return since is not None and since <= self.last_day - timedelta(days=self.window_days)


class OtherValues(NamedTuple):
    """The other values of a dimension, and the shares of their visits that go on, now and before; None without visits.

    The share before is of the same days as that of the step.
    """

    values: Sequence[str]
    rate: float | None
    rate_before: float | None


def progress_sentence(
    step: ChangedStep,
    *,
    since: date | None,
    count: int,
    progressed_count: int,
    rate_before: float | None,
    others: OtherValues,
    explained_by: str | None,
) -> str:
    """Return the sentence of a row of progress_changes whose change is not over.

    Args:
        step: The step.
        since: The day on which the change most likely began; None for rows that are no alert.
        count: The visits at the action in the window.
        progressed_count: Of count: the visits that went on.
        rate_before: The share that went on before the window and before `since`; None without sessions.
        others: The other values of the dimension.
        explained_by: The alert that accounts for the drop, or None.
    """
    sentence = _what_happened(step, since, count, progressed_count)
    if rate_before is not None:
        sentence += f"; before it was {percent(rate_before)}"
        sentence += _about_others(step.segment, others, abs(progressed_count / count - rate_before))
    sentence += f".{_conversions(step, since)}"
    return sentence + (f" It follows from {explained_by}." if explained_by else "")


def ended_progress_sentence(step: ChangedStep, ended: "Ended") -> str:
    """Return the sentence of a row of progress_changes whose drop is over."""
    sentence = ended_text(f"fewer {step.visits} {step.did}", ended)
    count = _rounded(step.lost)
    if step.lost > 0 and count != "0":
        are = "conversion is" if count == "1" else "conversions are"
        at_least = _about(step, ended.since).lower()
        worth = _worth(step.lost_value or 0.0)
        sentence += f" {capitalized(step.window)}, {at_least} {count} {are} missing{_with_older(step)}{worth}."
    return sentence


def _what_happened(step: ChangedStep, since: date | None, count: int, progressed_count: int) -> str:
    """Return how many visits went on: of an alert, since when they are fewer."""
    share = f"{progressed_count} of {count}"
    if count >= LEAST_WITH_PERCENT:
        share = f"{percent(progressed_count / count)} of {count:,}"
    if since is None:
        return f"{capitalized(step.window)}, {share} {step.visits} {step.did}"
    if step.window_days == 1 and since == step.last_day:  # nothing says yet that it goes on
        return f"On {day_text(since)}, fewer {step.visits} {step.did}: {share}"
    return f"Since {day_text(since)}, fewer {step.visits} {step.does}: {share} {step.window}"


def _about_others(segment: Segment, others: OtherValues, change: float) -> str:
    """Return what is said of the other values; nothing if one of their shares is unknown."""
    if others.rate is None or others.rate_before is None:
        return ""
    whom = visits_of((segment[0], others.values[0])) if len(others.values) == 1 else "the others"
    if _is_still(others.rate, others.rate_before, change):
        return f", for {whom} it still is {percent(others.rate)}"
    return f", for {whom} it went from {percent(others.rate_before)} to {percent(others.rate)}"


def _is_still(rate: float, before: float, change: float) -> bool:
    """Whether a site owner would call the rate of the others unchanged; rates that are written alike always are."""
    largest = min(STILL_OF_RATE * before, STILL, STILL_OF_CHANGE * change)
    return abs(rate - before) <= largest or of_hundred(rate) == of_hundred(before)


def _conversions(step: ChangedStep, since: date | None) -> str:
    """Return the sentence about the conversions of a change that is not over; nothing if there are none."""
    count = _rounded(step.lost)
    if count == "0":
        return ""
    if step.lost > 0:
        happens = "conversion is missing" if count == "1" else "conversions are missing"
    else:
        happens = "conversion more than usual goes" if count == "1" else "conversions more than usual go"
        happens = f"{happens} with it"
    value = step.lost_value or 0.0
    worth = _worth(value if step.lost > 0 else -value)
    return f" {_about(step, since)} {count} {happens}{_part_of_change(step, since)}{worth}."


def _part_of_change(step: ChangedStep, since: date | None) -> str:
    """Return the window to put behind its conversions, if these are not all of the change, or not only of it."""
    if not step.is_older(since) and step.older_days is None:
        return ""
    window = " on that day" if step.window_days == 1 else f" in these {step.window_days} days"
    return window + _with_older(step)


def _with_older(step: ChangedStep) -> str:
    """Return what to put behind the conversions of a window that also has an older drop."""
    return f", with those of an older drop {days_text(*step.older_days)}" if step.older_days else ""


def _about(step: ChangedStep, since: date | None) -> str:
    """Return what to put before conversions. A change before the window also lowers what is usual: more are missing."""
    return "At least about" if step.has_older or step.is_older(since) else "About"


def _rounded(lost: float) -> str:
    return f"{abs(lost):,.0f}"


def _worth(value: float) -> str:
    """Return the value to put behind conversions; nothing for a negative one, which refunds can cause."""
    return f", worth about {about(value)}" if round(value) > 0 else ""
