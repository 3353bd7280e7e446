"""Tests which funnels the report shows, and which steps it marks: the largest loss, and steps that match no event."""

import re
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.cli.results import Results, read_results, show_results
from session_pipeline.report.figures import Figure, Figures
from session_pipeline.report.funnels import funnel_views, unit
from session_pipeline.report.sections import fitting
from session_pipeline.settings import load_settings, parse_settings
from session_pipeline.settings_warnings import Findings
from session_pipeline_tests.deployment import Deployment, to_toml
from session_pipeline_tests.report_pages import LAST, Visits, written

CONDITIONS = {"a": "event_name = 'a'", "b": "event_name = 'b'", "c": "event_name = 'c'"}


def marked(
    reached: Sequence[int], dropped: Sequence[int], unmatched: int, optional: Sequence[int] = (), **options: Any
) -> tuple[list[int], list[int], str]:
    """Return the steps that match no event, those with the largest loss, and the texts of the chart."""
    steps = [
        {"name": name, "where": where, **({"optional": True} if number in optional else {})}
        for number, (name, where) in enumerate(CONDITIONS.items(), start=1)
    ]
    settings = parse_settings(to_toml({"funnels": [{"name": "f", "steps": steps, **options}]}))
    rows = [
        {"funnel": "f", "site": None, "step_number": number, "step": name, "reached_count": count}
        | {"dropped_count": lost, "is_optional": number in optional, "base_count": reached[0], "is_open": False}
        | {"conversion_rate": count / reached[0], "low": 0.1, "high": 0.2}
        for number, (name, count, lost) in enumerate(zip(CONDITIONS, reached, dropped, strict=True), start=1)
    ]
    figures = Figures({}, None, {"funnels": Figure("", rows), "funnel_drops": Figure("", [])})
    view = funnel_views(figures, settings, Findings(unmatched_steps=frozenset({("f", unmatched)})))["f"]
    found = ([step["step_number"] for step in view.steps if step[mark]] for mark in ("is_unmatched", "is_largest_loss"))
    return *found, view.chart  # type: ignore[return-value]


def test_loss_before_a_step_that_matches_no_event_is_not_the_largest() -> None:
    unmatched, largest, chart = marked((50, 40, 0), (10, 40, 0), unmatched=3)
    assert (unmatched, largest) == ([3], [1])
    assert "matches no event" in chart.partition("</desc>")[2]
    assert "c matches no event." in chart.partition("</desc>")[0]


def test_optional_step_that_matches_no_event_hides_no_loss() -> None:
    """The attempts that ended at the first step did not wait for the optional one."""
    unmatched, largest, chart = marked((50, 0, 20), (30, 0, 0), unmatched=2, optional=[2])
    assert (unmatched, largest) == ([2], [1])
    assert "30 (60.0" in chart
    assert "matches no event" not in chart


def test_loss_before_an_optional_step_is_that_of_the_required_step_after_it() -> None:
    """Nobody can reach step 3, so the attempts that did not take the optional step are not lost by visitors either."""
    unmatched, largest, _ = marked((50, 20, 0), (30, 20, 0), unmatched=3, optional=[2])
    assert (unmatched, largest) == ([3], [])


@pytest.mark.parametrize("condition", [1, 2, 3])
def test_without_an_order_the_last_step_is_the_one_that_nobody_can_reach(condition: int) -> None:
    """A step is a number of conditions, whatever the place of the condition that matches no event."""
    unmatched, largest, _ = marked((60, 20, 0), (40, 20, 0), unmatched=condition, mode="unordered")
    assert (unmatched, largest) == ([3], [1])


@pytest.mark.parametrize(("mode", "labels"), [("ordered", ["1  a", "2  b", "3  c"]), ("unordered", ["a", "b", "c"])])
def test_steps_without_an_order_have_no_number(mode: str, labels: list[str]) -> None:
    """Their names are numbers: 1 of 3, 2 of 3."""
    _, _, chart = marked((60, 20, 10), (40, 10, 0), unmatched=0, mode=mode)
    assert re.findall(r'<text x="0" y="\d+">([^<]+)', chart) == labels


def test_chart_says_which_step_is_optional() -> None:
    """Fewer attempts reach it than the step after it."""
    _, _, chart = marked((60, 5, 20), (40, 0, 0), unmatched=0, optional=[2])
    assert re.findall(r'<text x="0" y="\d+">([^<]+)', chart) == ["1  a", "2  b (optional)", "3  c"]
    assert "b is optional." in chart.partition("</desc>")[0]


@pytest.mark.long
def test_table_and_summary_say_which_step_is_optional(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("/shop/a", "add_to_cart", "purchase")
    steps = [{"name": name, "where": f"page_path = '{name}' or event_name = '{name}'"} for name in names]
    funnels = [{"name": "f", "steps": [steps[0], {**steps[1], "optional": True}, steps[2]]}]
    visits = Visits()
    visits.add(LAST, 3, ["/shop/a", "purchase"])
    visits.add(LAST, 1, ["/shop/a", "add_to_cart", "purchase"])
    deployment = Deployment(tmp_path, {"funnels": funnels})
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    page = written(deployment)
    of_funnel = [row[:2] for row in page.rows if row[0].startswith(("1 ", "2 ", "3 "))]
    assert of_funnel == [["1 /shop/a", "4"], ["2 add_to_cart optional", "1"], ["3 purchase", "4"]]
    assert "an attempt can go on without an optional step." in page.text
    assert "several can end with the same event" not in page.text
    results = read_results(deployment.folder, load_settings(deployment.folder.path), [LAST], [])
    show_results(results, [LAST], [], is_all_days=True)
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in printed if "(optional)" in line] == [["add_to_cart", "(optional)", "1", "25.0%"]]
    assert results.optional == {"f": ["add_to_cart"]}, "a list, which is one in JSON, too"


def test_summary_has_one_line_for_a_funnel_without_attempts(capsys: pytest.CaptureFixture[str]) -> None:
    results = Results(
        sessions={"people": 1, "bots": 0},
        outcomes={"bounce": 1},
        funnels={"f": [("a", 0), ("b", 0)]},
        grains={"f": "visitor"},
        bases={"f": [0, 0]},
        optional={"f": []},
        excluded={"f": 0},
        unconverted=None,
    )
    show_results(results, [LAST], [], is_all_days=True)
    assert capsys.readouterr().out.splitlines()[-1].strip() == "Funnel  f: no attempts"


@pytest.mark.long
def test_page_names_steps_in_any_order_once(tmp_path: Path) -> None:
    steps = [{"name": name, "where": f"event_name = '{name}'"} for name in ("add_to_cart", "purchase")]
    funnels = [{"name": "both", "steps": steps, "mode": "unordered"}]
    visits = Visits()
    visits.add(LAST, 3, ["/shop/a", "purchase", "add_to_cart"])
    deployment = Deployment(tmp_path, {"funnels": funnels})
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    page = written(deployment)
    assert [row[:2] for row in page.rows if row[0].endswith("of 2")] == [["1 of 2", "3"], ["2 of 2", "3"]]
    assert "one with steps in any order counts those that did at least so many of them." in page.text


def rows_of_funnel(
    folder: Path, days: Sequence[int], last: int, converted: Collection[int] = (), **funnel: Any
) -> tuple[list[list[str]], str]:
    """Return the rows of a funnel and the text of a report of its attempts.

    On each day, counted from the first, 5 visitors enter, and one of them converts a minute later.
    On the days `converted`, only that one enters.
    """
    steps = [{"name": name, "where": f"event_name = '{name}'"} for name in ("add_to_cart", "purchase")]
    visits = Visits()
    first = LAST - timedelta(days=last - 1)
    for number in days:
        day = first + timedelta(days=number - 1)
        visits.add(day, 1, ["/shop/a", "add_to_cart", "purchase"])
        if number not in converted:
            visits.add(day, 4, ["/shop/a", "add_to_cart"])
    visits.add(LAST, 1, ["/shop/b"])
    deployment = Deployment(folder, {"start_date": first, "funnels": [{"name": "f", "steps": steps, **funnel}]})
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    page = written(deployment)
    return [row for row in page.rows if row and row[0] in ("1 add_to_cart", "2 purchase")], page.text


DAY_SECONDS = 86_400


@pytest.mark.long
def test_attempts_that_are_all_open_have_the_rates_so_far(tmp_path: Path) -> None:
    """The tenth day of a funnel whose window has 30 days."""
    rows, text = rows_of_funnel(tmp_path, range(1, 11), 10, grain="visitor", window_seconds=30 * DAY_SECONDS)
    first, last = ["100.0 %", "–", "–", "–", ""], ["20.0 %", "–", "20.0 %", "–", ""]
    assert rows == [["1 add_to_cart", "50", *first], ["2 purchase", "10", *last]]
    assert "Still open: 40 of 50 attempts can still continue, so these rates are those so far, and can rise." in text
    assert "week before" not in text.partition("Still open")[0].rpartition("add_to_cart")[2]


@pytest.mark.long
def test_days_of_open_attempts_do_not_count_in_rates(tmp_path: Path) -> None:
    rows, text = rows_of_funnel(tmp_path, range(1, 16), 15, grain="visitor", window_seconds=3 * DAY_SECONDS)
    assert rows[0] == ["1 add_to_cart", "35", "100.0 %", "–", "–", "28 largest", "left 100.0 %"]
    assert rows[1][:3] == ["2 purchase", "7", "20.0 %"]
    assert "Rate of the week before: 20.0 %. Rates are of the 7 days up to Tue 12 Mar" in text
    assert "Not counted: 15 attempts since Wed 13 Mar; 12 can still continue." in text


@pytest.mark.long
def test_default_window_of_visitors_has_rates_of_the_days_that_are_over(tmp_path: Path) -> None:
    """All attempts of day 28 convert: its windows are over, although no attempt of it ended without a conversion."""
    rows, text = rows_of_funnel(tmp_path, range(1, 36), 35, {28}, grain="visitor")
    assert rows[0][1] == "31"
    assert rows[1][1] == "7"
    assert "Rates are of the 7 days up to" in text
    assert "because attempts can continue for up to 7 days. Not counted: 35 attempts since" in text
    assert "Of attempts across visits, several can end with the same event." in text


@pytest.mark.long
@pytest.mark.parametrize("funnel", [{}, {"grain": "visitor", "window_seconds": 20 * 3600}], ids=["session", "hours"])
def test_attempts_of_the_last_hours_count_in_rates(tmp_path: Path, funnel: dict[str, Any]) -> None:
    rows, text = rows_of_funnel(tmp_path, range(1, 11), 10, **funnel)
    assert rows[1][:3] == ["2 purchase", "7", "20.0 %"]
    assert ("4 attempts can still continue." in text) == bool(funnel)
    assert "Not counted" not in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "by visit"),
        ({"grain": "visitor", "window_seconds": 3600}, "by visitor and day, within 1 hour"),
        ({"window_seconds": 0}, "by visit, all steps at the same time"),
        ({"window_seconds": 3600}, "by visit, within 1 hour"),
        ({"mode": "strict"}, "by visit, no other event between steps"),
        ({"mode": "unordered", "window_seconds": 3600}, "by visit, within 1 hour, steps in any order"),
        ({"entry": "any"}, "by visit, entered at any step"),
    ],
)
def test_unit_window_and_order_of_a_funnel_are_named(options: dict[str, Any], said: str) -> None:
    steps = [{"name": name, "where": where} for name, where in CONDITIONS.items()]
    funnel = {"name": "f", "steps": steps, **options}
    assert unit(parse_settings(to_toml({"funnels": [funnel]})).funnels[0]) == said


@pytest.mark.parametrize(
    ("sizes", "expected"), [([], 0), ([9], 1), ([99], 1), ([20, 20, 20], 3), ([20, 20, 21], 2), ([50, 50, 1], 1)]
)
def test_funnels_are_shown_while_their_steps_fit(sizes: list[int], expected: int) -> None:
    assert fitting(sizes, 60) == expected
