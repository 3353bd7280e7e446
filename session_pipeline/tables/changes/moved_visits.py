"""Says whether the visits that a value of an own dimension lost have other values of it, as at the end of an A/B test.

found_outcomes.py finds the changed numbers. Of a device or a channel, such as phones without a tag, nothing is asked:
visits do not go over from one to another.
"""

from collections.abc import Collection
from fractions import Fraction
from typing import get_args

from session_pipeline.reference.changes import WHOLE, Segment
from session_pipeline.settings.model import ChangeDimension
from session_pipeline.tables.changes.more_visits import ALIKE, SESSIONS, UsualDays
from session_pipeline.tables.changes.outcome_scores import OutcomeCounts

PACKAGED = frozenset(get_args(ChangeDimension))
LEAST_SHARE = Fraction(3, 4)  # of the lost visits, that the other values have more than usual


def have_visits_moved(
    counts: OutcomeCounts, day: int, window_days: int, segment: Segment, compared: Collection[Segment]
) -> bool:
    """Return whether the visits that a value has lost are among those of the other values of its own dimension.

    There are about as many visits as usual, and the other values together have more: by chance or by a season, a large
    value can have as many more as a small one lost.

    Args:
        counts: The counts of the site.
        day: The position of the last day of the window.
        window_days: The days of the window.
        segment: The value that has fewer visits than usual.
        compared: The segments that are compared on the day. Which others are known depends on the days that are built
            together.
    """
    if segment == WHOLE or segment[0] in PACKAGED:
        return False
    own, whole = (counts.sessions[:, counts.series.index((*each, SESSIONS))] for each in (segment, WHOLE))
    is_other = [
        one[0] == segment[0] and one[:2] != segment and one[:2] in compared and one[2] == SESSIONS
        for one in counts.series
    ]
    others = counts.sessions[:, is_other].sum(axis=1)
    # On days without the dimension, all visits have none of the values: a test can be shorter than eight weeks.
    days = UsualDays(counts, day - window_days + 1, day, has_values=own + others > 0)
    count, usual = days.sum_and_usual(whole)
    own_count, usual_own = days.sum_and_usual(own)
    others_count, usual_others = days.sum_and_usual(others)
    return (
        count >= ALIKE * usual
        and usual >= ALIKE * count
        and usual_others < ALIKE * others_count
        and others_count - usual_others >= LEAST_SHARE * (usual_own - own_count)
    )
