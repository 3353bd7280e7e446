"""Tests funnels of other products with known results, in the oracle and through settings, events and tables."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from session_pipeline_tests.deliveries import delivery, read_lines, settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import sessions as oracle
from session_pipeline_tests.oracles.different_funnels import different_funnel_cases
from session_pipeline_tests.oracles.documented_funnels import documented_funnel_cases
from session_pipeline_tests.oracles.funnels import attempts
from session_pipeline_tests.oracles.further_published_funnels import daily_funnel_cases, further_funnel_cases
from session_pipeline_tests.oracles.published_cases import FIRST_MOMENT, FunnelCase, funnel_levels
from session_pipeline_tests.oracles.sessions import Rules
from session_pipeline_tests.oracles.window_funnels import completed_funnel_cases, window_funnel_cases

UNTIL = date(2024, 2, 10)
CASES = [*further_funnel_cases(), *window_funnel_cases(), *documented_funnel_cases(), *different_funnel_cases()]
DAILY = daily_funnel_cases()
COMPLETED = completed_funnel_cases()

Row = dict[str, Any]


@pytest.fixture(scope="module")
def funnels(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The visitors of all cases in one data folder, and for each case a funnel of its own."""
    cases = [*CASES, *(case for case, _ in DAILY), *(case for case, _ in COMPLETED)]
    deployment = Deployment(
        tmp_path_factory.mktemp("funnels"),
        settings(Rules(), FIRST_MOMENT.date(), {case.name: case.funnel for case in cases}),
        only=("funnel_entries", "funnel_steps"),
    )
    file = delivery("published", [line for case in cases for line in case.lines])
    deployment.deliver(file.name, file.lines)
    deployment.run(until=UNTIL)
    return deployment


@pytest.fixture(scope="module")
def funnel_entries(funnels: Deployment) -> Mapping[str, list[Row]]:
    """The rows of each funnel, of the visitors of all cases."""
    columns = ["visitor_id", "entry_date", "step_reached", "is_excluded", "is_converted"]
    by_funnel = funnels.table("funnel_entries").groupby("funnel")
    return {str(name): rows[columns].to_dict("records") for name, rows in by_funnel}


def test_cases_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_funnels_of_other_products_give_their_results(
    case: FunnelCase, funnel_entries: Mapping[str, list[Row]]
) -> None:
    events = oracle.sessionize(read_lines([delivery("file", case.lines)]), Rules())
    of_oracle = [
        (attempt.entry.line.visitor_id, attempt.step_reached, attempt.is_excluded)
        for attempt in attempts(events, case.funnel, Rules())
    ]
    of_table = [
        (row["visitor_id"], row["step_reached"], row["is_excluded"])
        for row in funnel_entries.get(case.name, [])
        if row["visitor_id"] in case.visitors
    ]
    assert funnel_levels(case.visitors, of_oracle) == case.levels
    assert funnel_levels(case.visitors, of_table) == case.levels


@pytest.mark.parametrize(("case", "counts"), DAILY, ids=lambda case: getattr(case, "name", ""))
def test_visitors_who_enter_and_convert_on_each_day(
    case: FunnelCase, counts: Mapping[int, tuple[int, int]], funnel_entries: Mapping[str, list[Row]]
) -> None:
    reached: dict[int, list[int]] = defaultdict(list)
    for row in funnel_entries.get(case.name, []):
        if row["visitor_id"] in case.visitors:
            reached[(row["entry_date"] - FIRST_MOMENT.date()).days].append(row["step_reached"])
    last = len(case.funnel.steps)
    assert {day: (len(steps), steps.count(last)) for day, steps in reached.items()} == counts


@pytest.mark.parametrize(("case", "conversions"), COMPLETED, ids=lambda case: getattr(case, "name", ""))
def test_conversions_that_do_not_overlap(
    case: FunnelCase, conversions: Mapping[str, int], funnel_entries: Mapping[str, list[Row]]
) -> None:
    converted = [row["visitor_id"] for row in funnel_entries.get(case.name, []) if row["is_converted"]]
    assert {visitor: converted.count(visitor) for visitor in conversions} == conversions


def test_times_since_the_step_before(funnels: Deployment) -> None:
    steps = funnels.table("funnel_steps")
    own = steps[steps["funnel"] == "PostHog: times"]
    assert dict(zip(own["step_number"], own["median_seconds"], strict=True)) == {1: None, 2: 7200, 3: 5400}
