"""Prepares funnels: the order of the settings, the largest loss, and steps that match no event."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from markupsafe import Markup

from session_pipeline.checks.settings_warnings import Findings
from session_pipeline.report import charts, formats
from session_pipeline.report.figures import Row
from session_pipeline.report.outcomes import ordered
from session_pipeline.settings import FunnelSettings, Settings

WIDTH = 380


def funnel_views(
    rows: Sequence[Row], drops: Sequence[Row], settings: Settings, findings: Findings
) -> dict[str, tuple[list[Row], Markup]]:
    """Return the steps of each funnel with its chart, in the order of the settings.

    Each step has `instead`: the most common actions that followed where attempts ended there, with their shares.
    """
    followed: dict[tuple[str, int], list[Row]] = {}
    for row in drops:
        followed.setdefault((row["funnel"], row["step_number"]), []).append(row)
    in_order = ordered(rows, [funnel.name for funnel in settings.funnels], "funnel")
    found = {}
    for number, (name, group) in enumerate(groupby(in_order, itemgetter("funnel")), start=1):
        steps = list(group)
        _mark(name, steps, findings)
        for step in steps:
            step["instead"] = followed.get((name, step["step_number"]), [])
        found[name] = (steps, charts.funnel(f"funnel-{number}", WIDTH, name, steps))
    return found


def unit(funnel: FunnelSettings) -> str:
    """Describe the unit that a funnel counts, and its window from the first step to the last."""
    within = f", within {formats.duration(funnel.window_seconds)}" if funnel.window_seconds else ""
    kind = {"session": "by visit", "visitor": "by visitor"}.get(funnel.grain, f"by {funnel.grain}")
    return kind + within


def _mark(funnel: str, steps: Sequence[Row], findings: Findings) -> None:
    """Mark the funnel steps that match no event, and the step with the largest loss.

    The loss before a step that matches no event is caused by its condition and not by visitors, so it is never the
    largest loss.
    """
    for step in steps:
        step["is_unmatched"] = (funnel, step["step_number"]) in findings.unmatched_steps and not step["reached_count"]
    unknown = [following["is_unmatched"] for following in steps[1:]]
    losses = [0 if is_unknown else step["dropped_count"] for step, is_unknown in zip(steps, unknown, strict=False)]
    largest = losses.index(max(losses)) if any(losses) else None
    for number, step in enumerate(steps):
        step["is_largest_loss"] = number == largest
