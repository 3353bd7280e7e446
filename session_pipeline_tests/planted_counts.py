"""Builds histories of planted counts, and compares their rows of progress_changes with those of the oracle."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from session_pipeline_tests.oracles.progress import WHOLE, Segment, rows_of_counts
from session_pipeline_tests.test_attribution_against_oracle import compare

Row = dict[str, Any]
Step = tuple[str, str]
OfADay = Mapping[Step, Sequence[int | tuple[int, ...]]]  # the counts of each step; several alternate from day to day

FIRST = date(2026, 1, 1)


def changes_of(
    usual: OfADay, faulty: OfADay, *, faulty_days: int = 7, parts: Mapping[Segment, tuple[OfADay, OfADay]] | None = None
) -> dict[tuple[Any, ...], Row]:
    """Return the rows of the last of 84 days, by window and step, and by window, segment and step for parts."""
    of_segments = {WHOLE: (usual, faulty), **(parts or {})}
    counts = {
        FIRST + timedelta(days=offset): {
            (segment, *step): tuple(each if isinstance(each, int) else each[offset % len(each)] for each in of_step)
            for segment, of_segment in of_segments.items()
            for step, of_step in of_segment[offset >= 84 - faulty_days].items()
        }
        for offset in range(84)
    }
    found = {}
    for row in compare(rows_of_counts(counts, {FIRST + timedelta(days=83)})):
        segment, step = (row["dimension"], row["dimension_value"]), (row["action"], row["next_action"])
        found[(row["window_days"], step) if segment == WHOLE else (row["window_days"], segment, step)] = row
    return found


def alerts(found: Mapping[tuple[Any, ...], Row]) -> set[tuple[Any, ...]]:
    """Return the steps of the alerts, with the segment of those of a part."""
    return {key[1:] if len(key) > 2 else key[1] for key, row in found.items() if row["is_alert"]}
