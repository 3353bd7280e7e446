"""Tests the program that writes how often steps have false alerts while rates drift."""

import re
from random import Random

import pytest

from session_pipeline_tests import drift
from session_pipeline_tests.oracles.progress import GOAL, WHOLE, Session, daily_counts
from session_pipeline_tests.power import FIRST, with_table


def test_drawn_counts_are_those_of_sessions_of_the_funnel() -> None:
    cell = drift.MOBILE, drift.ADS
    counts = drift.counts_of_day(Random(1), {cell: 500}, list(drift.RATES.values()))
    reached = [counts[WHOLE, action, GOAL][0] for action in drift.ACTIONS]
    reached.append(counts[WHOLE, GOAL, GOAL][0])
    assert reached == sorted(reached, reverse=True)
    assert reached[0] == 500
    assert reached[-1] > 5
    sessions = [
        Session(
            FIRST,
            str(number),
            list(enumerate(drift.ACTIONS[: sum(number < each for each in reached)])),
            len(drift.ACTIONS) if number < reached[-1] else None,
            cell,
        )
        for number in range(500)
    ]
    assert counts == daily_counts(sessions)[FIRST]


def test_counts_of_a_day_are_the_sums_of_its_cells() -> None:
    sessions = dict.fromkeys(drift.CELLS, 20)
    counts = drift.counts_of_day(Random(1), sessions, [0.8] * len(drift.ACTIONS))
    assert counts[WHOLE, "home", GOAL][0] == 20 * len(drift.CELLS)
    of_all = [(step, numbers) for (segment, *step), numbers in counts.items() if segment == WHOLE and step[0] != GOAL]
    assert len(of_all) == 7 + 6 * 7 / 2
    for step, numbers in of_all:
        for dimension, values in drift.DIMENSIONS.items():
            found = [counts[(dimension, value), step[0], step[1]] for value in values]
            assert tuple(map(sum, zip(*found, strict=True))) == numbers


@pytest.mark.long
def test_the_page_is_what_the_program_writes_except_for_its_figures() -> None:
    written = with_table(drift.PAGE, drift.table(seeds=[1], size=200), drift.BEGIN, drift.END)
    assert re.sub(r"\d[\d.]*", "n", written) == re.sub(r"\d[\d.]*", "n", drift.PAGE.read_text(encoding="utf-8"))
