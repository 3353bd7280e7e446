"""Prepares funnels: the order of the settings, the largest loss, steps that match no event, and the sites."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from markupsafe import Markup

from session_pipeline.report import charts, formats
from session_pipeline.report.figures import Figures, Row
from session_pipeline.report.outcomes import ordered
from session_pipeline.settings import FunnelSettings, Settings
from session_pipeline.settings_warnings import Findings

WIDTH = 380
DAY_SECONDS = 86_400
MOST_SITES = 8  # of each funnel


@dataclass(frozen=True)
class FunnelView:
    """A funnel as the page shows it.

    Attributes:
        steps: Its steps, of all sites together. Each has `number`, which is empty if the steps have no order, and
            `instead`: the most common actions that followed where attempts ended there, with their shares. There are
            none if no attempt is known to have ended.
        chart: The chart of the steps.
        sites: The sites with most attempts, each with its last step and `lost_after`, the name of the step with the
            largest loss, or None.
        more_sites: How many other sites have attempts.
        is_unordered: Whether its steps are numbers of conditions, such as "1 of 3", which are met in any order.
        shares_events: Whether one event can be the last step of several attempts, because they are not of one session.
    """

    steps: list[Row]
    chart: Markup
    sites: list[Row]
    more_sites: int
    is_unordered: bool = False
    shares_events: bool = False

    @property
    def has_optional_step(self) -> bool:
        """Whether an attempt can go on without one of the steps."""
        return any(step["is_optional"] for step in self.steps)


def funnel_views(figures: Figures, settings: Settings, findings: Findings) -> dict[str, FunnelView]:
    """Return each funnel by name, in the order of the settings."""
    followed: dict[tuple[str, int], list[Row]] = {}
    for row in figures.rows("funnel_drops"):
        followed.setdefault((row["funnel"], row["step_number"]), []).append(row)
    in_order = ordered(of_all_sites(figures), [funnel.name for funnel in settings.funnels], "funnel")
    of_sites = [row for row in figures.rows("funnels") if row["site"] is not None]
    unordered = {funnel.name for funnel in settings.funnels if funnel.mode == "unordered"}
    within_sessions = {funnel.name for funnel in settings.funnels if funnel.is_within_a_session}
    found = {}
    for number, (name, group) in enumerate(groupby(in_order, itemgetter("funnel")), start=1):
        steps = list(group)
        _mark(steps, unmatched_numbers(name, settings, findings))
        for step in steps:
            step["number"] = "" if name in unordered else str(step["step_number"])
            step["instead"] = [] if step["is_open"] else followed.get((name, step["step_number"]), [])
        chart = charts.funnel(f"funnel-{number}", WIDTH, name, steps)
        sites = last_steps([row for row in of_sites if row["funnel"] == name], _blocked(steps))
        found[name] = FunnelView(
            steps,
            chart,
            sites=sites[:MOST_SITES],
            more_sites=max(0, len(sites) - MOST_SITES),
            is_unordered=name in unordered,
            shares_events=name not in within_sessions,
        )
    return found


def open_days(settings: Settings) -> dict[str, int]:
    """Return how many days, up to the last one, can have windows that are not over, by funnel.

    A window of up to a day leaves only the last day open, so all days of such a funnel count.
    """
    windows = {each.name: each.window_seconds or 0 for each in settings.funnels if not each.is_within_a_session}
    return {name: -(-seconds // DAY_SECONDS) for name, seconds in windows.items() if seconds > DAY_SECONDS}


def of_all_sites(figures: Figures) -> list[Row]:
    """Return the rows of the funnel steps of all sites together."""
    return [row for row in figures.rows("funnels") if row["site"] is None]


def last_steps(rows: Sequence[Row], blocked: Collection[int]) -> list[Row]:
    """Return the last step of each site that has attempts, with its largest loss; the most attempts come first."""
    found = []
    for _, group in groupby(rows, itemgetter("site")):
        *before, last = group
        losses = [step for step in before if step["dropped_count"] and step["step_number"] not in blocked]
        largest = max(losses, key=itemgetter("dropped_count"), default=None)
        found.append({**last, "lost_after": largest["step"] if largest else None})
    entered = [row for row in found if row["base_count"]]
    return sorted(entered, key=lambda row: (-row["base_count"], row["site"]))


def _blocked(steps: Sequence[Row]) -> set[int]:
    """Return the numbers of the steps whose next required step matches no event: its condition causes their loss."""
    found, is_next_unmatched = set(), False
    for step in reversed(steps):
        if is_next_unmatched:
            found.add(step["step_number"])
        if not step["is_optional"]:
            is_next_unmatched = step["is_unmatched"]
    return found


def unit(funnel: FunnelSettings) -> str:
    """Describe the unit that a funnel counts, its window from the first step to the last, and an unusual order."""
    within = f", within {formats.duration(funnel.window_seconds)}" if funnel.window_seconds else ""
    if funnel.window_seconds == 0:
        within = ", all steps at the same time"
    kind = {"session": "by visit", "visitor": "by visitor and day"}.get(funnel.grain, f"by {funnel.grain}")
    order = {"strict": ", no other event between steps", "unordered": ", steps in any order"}.get(funnel.mode, "")
    entry = ", entered at any step" if funnel.entry == "any" else ""
    return kind + within + order + entry


def unmatched_numbers(name: str, settings: Settings, findings: Findings) -> set[int]:
    """Return the numbers of the steps that no attempt can reach, because conditions match no event.

    In mode unordered, the number of a step is a number of conditions: if one matches no event, nobody meets all.
    """
    numbers = {number for funnel, number in findings.unmatched_steps if funnel == name}
    funnel = next((each for each in settings.funnels if each.name == name), None)
    if funnel is None or funnel.mode != "unordered":
        return numbers
    count = len(funnel.steps)
    return set(range(count - len(numbers) + 1, count + 1))


def _mark(steps: Sequence[Row], unmatched: Collection[int]) -> None:
    """Mark the funnel steps that match no event, and the step with the largest loss.

    The loss before a required step that matches no event is caused by its condition and not by visitors, so it is never
    the largest loss. An optional step does not block an attempt.
    """
    for step in steps:
        step["is_unmatched"] = step["step_number"] in unmatched and not step["reached_count"]
    blocked = _blocked(steps)
    losses = [0 if step["step_number"] in blocked else step["dropped_count"] for step in steps[:-1]]
    largest = losses.index(max(losses)) if any(losses) else None
    for number, step in enumerate(steps):
        step["is_largest_loss"] = number == largest
