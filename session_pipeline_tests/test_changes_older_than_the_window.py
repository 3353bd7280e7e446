"""Tests what progress_changes says of a change that began before the window: the usual days have days of it, too.

Visits with device m convert less often from 7 days before the window of 28 days on, and a few fewer of the others.
"""

import pytest

from session_pipeline_tests.oracles.progress import GOAL, Segment
from session_pipeline_tests.planted_counts import OfADay, changes_of

MOBILE: Segment = ("device", "m")
STEP = ("cart", GOAL)


def counts(mobile: int, others: int) -> dict[Segment | None, OfADay]:
    """Return the counts of a day with 100 visits of each device."""
    converted = mobile + others
    return {
        None: {STEP: (200, converted, 0), (GOAL, GOAL): (converted, converted, 0)},
        MOBILE: {STEP: (100, mobile, 0)},
        ("device", "d"): {STEP: (100, others, 0)},
    }


@pytest.mark.parametrize(
    ("faulty_days", "expected"),
    [
        (
            28,
            "Since 26 February, fewer visits with device m at cart convert afterwards: 25 % of 2,800 in the 28 days to"
            " 25 March; before it was 50 %, for visits with device d it went from 60 % to 52 %. About 700 conversions"
            " are missing, worth about 14,000.",
        ),
        (
            35,
            "Since 19 February, fewer visits with device m at cart convert afterwards: 25 % of 2,800 in the 28 days to"
            " 25 March; before it was 50 %, for visits with device d it went from 60 % to 52 %. At least about 612"
            " conversions are missing in these 28 days, worth about 12,250.",
        ),
    ],
)
def test_sentence_has_the_rates_before_the_change(faulty_days: int, expected: str) -> None:
    usual, faulty = counts(50, 60), counts(25, 52)
    parts = {segment: (usual[segment], faulty[segment]) for segment in usual if segment is not None}
    row = changes_of(usual[None], faulty[None], faulty_days=faulty_days, parts=parts)[28, MOBILE, STEP]
    assert row["is_alert"]
    assert row["sentence"] == expected
    older = faulty_days - 28
    assert row["usual_progressed_count"] == 50 * (56 - older) + 25 * older
