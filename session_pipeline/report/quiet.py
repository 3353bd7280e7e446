"""Says which fault a report without changes would have found, or what it takes to find one; flaws.py has changes."""

from math import floor, log

from session_pipeline.reference.changes import FIRST_COMPARED_DAYS, GOAL, WINDOWS
from session_pipeline.report import formats, names, sites
from session_pipeline.report.figures import Figures, Row
from session_pipeline.report.funnels import of_all_sites
from session_pipeline.report.window import Window

Z_FOUND = 4.5  # the score that a change must be expected to have, so that it is found in most cases
BASE_RATIO = 4  # visits before the compared days for each visit in them
MOST_WEEKS = max(WINDOWS) // 7  # of the longest window that is compared


def detectable(figures: Figures, window: Window) -> list[str]:
    """Say which fault would usually have been found, or how many days or visits are needed to find one.

    It is the smallest drop among the rows of the steps, or else of the conversions after an action. Steps that were
    compared can have no row that says it, as on a small site; then the sentence says how many visits are needed, if
    the first step of a funnel has fewer. A drop that costs no conversions is never an alert, and a smaller drop can be
    explained by a larger one.
    """
    steps = figures.rows("detectable")
    if steps:
        row = steps[0]
        is_goal = row["next_action"] == GOAL
        do = "convert afterwards" if is_goal else f"go on to {names.action_in_sentence(row['next_action'])}"
        return [
            f"Of {formats.counted(row['session_count'], 'visit')} at"
            f" {names.action_in_sentence(row['action'])}{_of_segment(row)}{sites.place(figures, row)} in"
            f" {formats.counted(row['window_days'], 'day')}, usually {formats.percent(row['usual_rate'])} {do}."
            " A fault that costs conversions would usually have been found if at most"
            f" {formats.percent(_rounded_down(row['detectable_rate']))} had {'converted' if is_goal else 'gone on'}."
        ]
    if window.compared_day_count < FIRST_COMPARED_DAYS:
        are = "is" if window.compared_day_count == 1 else "are"
        days = formats.number(window.compared_day_count)
        return [f"That takes {FIRST_COMPARED_DAYS} days with visits in eight weeks; so far there {are} {days}."]
    if any(row["step_count"] for row in figures.rows("comparisons")):
        return _needed(figures)
    if not any(row["converted_count"] for row in figures.rows("days")):
        return ["Steps could not be compared, because no visit of the last four weeks converted."]
    too_few = "There are too few visits with a conversion to tell a change of a step from chance."
    return [" ".join((too_few, *_needed(figures)))]


def _needed(figures: Figures) -> list[str]:
    """Say how many visits are needed to find a fault at the first step of a funnel, if there are fewer."""
    first, second = _first_steps(figures)
    if not first or not second:
        return []
    rate = second["conversion_rate"]
    needed = visits_needed(rate)
    if first["reached_count"] * MOST_WEEKS >= needed:
        return []
    return [
        f"To find a fault that halves a step which {formats.percent(rate)} of visits take, about"
        f" {formats.number(needed)} visits at it are needed in at most {MOST_WEEKS} weeks."
    ]


def _rounded_down(share: float) -> float:
    """Return a share that has at most the digits of the page, and is no larger: a larger one would not be found."""
    return floor(round(share * 1000, 6)) / 1000


def _of_segment(row: Row) -> str:
    """Return the segment of a row to put after an action, such as ` with device mobile`; nothing for all visits."""
    if row["dimension"] == "all":
        return ""
    if row["dimension_value"] == "(none)":
        return f" without {names.dimension_in_sentence(row['dimension'])}"
    value = names.value_in_sentence(row["dimension"], row["dimension_value"])
    if row["dimension"] == names.LANDING:
        return f" that begin with {value}"
    return f" with {names.dimension_in_sentence(row['dimension'])} {value}"


def _first_steps(figures: Figures) -> tuple[Row | None, Row | None]:
    """Return the first two steps of the first funnel whose second step was reached, and that has rates."""
    rows = [row for row in of_all_sites(figures) if row["reached_count"] and row["conversion_rate"] is not None]
    steps = {(row["funnel"], row["step_number"]): row for row in rows}
    funnel = next((name for name, number in steps if number == 2), None)
    return steps.get((funnel or "", 1)), steps.get((funnel or "", 2))


def visits_needed(rate: float, drop: float = 0.5) -> int:
    """Return how many visits at a step are needed to find a drop of its rate.

    A likelihood ratio test of two samples, with BASE_RATIO times as many visits before, must be expected to reach
    Z_FOUND.
    """
    before = min(max(rate, 0.001), 0.999)
    now = before * (1 - drop)
    pooled = (now + BASE_RATIO * before) / (1 + BASE_RATIO)
    gain = _divergence(now, pooled) + BASE_RATIO * _divergence(before, pooled)
    return round(Z_FOUND * Z_FOUND / (2 * gain))


def _divergence(rate: float, other: float) -> float:
    return rate * log(rate / other) + (1 - rate) * log((1 - rate) / (1 - other))
