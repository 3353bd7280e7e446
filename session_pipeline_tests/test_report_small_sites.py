"""Tests what the report says about sites with few visits, without conversions and without funnels."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.cli.results import show_results
from session_pipeline.report.figures import Figure, Figures
from session_pipeline.report.formats import THIN_SPACE
from session_pipeline.report.quiet import detectable
from session_pipeline.report.window import Window
from session_pipeline_tests.changed_reports import OTHER_SITE, STEP, page_with
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_pages import LAST, Visits, written
from session_pipeline_tests.test_report_cases import results_of

PLAN = {"site": "main", "dimension": "plan", "converted_count": 0, "bounce_count": 0}
PLAN |= {"new_session_count": 0, "new_converted_count": 0}
FOUR_WEEKS = [LAST - timedelta(days=days) for days in range(34, -1, -1)]


@pytest.mark.long
@pytest.mark.parametrize(
    ("value", "count", "expected"),
    [
        ("free", 29, "Too few visits to tell."),
        ("free", 30, "Nothing stands out:"),
        ("(none)", 30, "Too few visits to tell."),
    ],
)
def test_groups_of_few_visits_are_not_said_to_be_alike(
    value: str, count: int, expected: str, reported_week: Deployment, tmp_path: Path
) -> None:
    """Visits without a value are no group, and neither are all visits, however many they are."""
    rows = {"daily_breakdowns": [PLAN | {"dimension_value": value, "session_count": count}]}
    page = page_with(reported_week, tmp_path, rows | {"daily_summary": [OTHER_SITE | {"session_count": 1000}]})
    assert page.text.split("What works ")[1].startswith(expected)


def test_week_without_a_conversion_is_not_compared(reported_week: Deployment, tmp_path: Path) -> None:
    """The conversions of the sample are on the day before the week that ends with the later day."""
    later = LAST + timedelta(days=6)
    info = {"data_until": later, "built_at": later + timedelta(days=1), "generation": 10**6, "package_version": "0"}
    rows = {
        "warehouse_info": [info],
        "daily_summary": [OTHER_SITE | {"session_count": 50, "session_date": later}],
        "daily_breakdowns": [PLAN | {"dimension_value": "free", "session_count": 50, "session_date": later}],
    }
    page = page_with(reported_week, tmp_path, rows)
    works = page.text.split("What works ")[1]
    assert works.startswith("No visit of this week converted. The last conversion was on Thu 14 Mar 2024. ")


@pytest.mark.long
def test_nothing_stands_out_apart_from_changes(reported_week: Deployment, tmp_path: Path) -> None:
    """The values of a dimension with a change are not compared."""
    visits = {"daily_breakdowns": [PLAN | {"dimension_value": "free", "session_count": 30}]}
    quiet = page_with(reported_week, tmp_path / "quiet", visits)
    changed = page_with(
        reported_week, tmp_path / "changed", visits | {"progress_changes": [STEP | {"sentence": "Fewer."}]}
    )
    assert "Nothing stands out: no channel, device or landing page converts" in quiet.text
    assert "Nothing stands out: apart from the changes found, no channel, device" in changed.text


@pytest.mark.parametrize(("converted_count", "expected"), [(0, "because no visit"), (1, "There are too few visits")])
def test_steps_without_any_conversion_are_not_said_to_have_too_few(converted_count: int, expected: str) -> None:
    window = Window(FOUR_WEEKS, LAST, LAST, is_full=True)
    figures = Figures({}, window, {"days": Figure("", [{"converted_count": converted_count}])})
    [sentence] = detectable(figures, window)
    assert expected in sentence


@pytest.mark.parametrize(
    ("day_count", "expected"),
    [
        (1, "That takes 29 days with visits in eight weeks; so far there is 1."),
        (28, "That takes 29 days with visits in eight weeks; so far there are 28."),
        (29, "Steps could not be compared, because no visit of the last four weeks converted."),
    ],
)
def test_changes_are_found_from_29_days_on(day_count: int, expected: str) -> None:
    window = Window(FOUR_WEEKS[-day_count:], LAST, LAST, is_full=True)
    assert detectable(Figures({}, window, {}), window) == [expected]


@pytest.mark.parametrize(("rate", "expected"), [(0.0459, "4.5"), (0.29, "29.0"), (0.0, "0.0")])
def test_largest_share_that_would_be_found_is_rounded_down(rate: float, expected: str) -> None:
    row = STEP | {"detectable_rate": rate}
    window = Window(FOUR_WEEKS, LAST, LAST, is_full=True)
    [sentence] = detectable(Figures({}, window, {"detectable": Figure("", [row])}), window)
    assert f"at most {expected}{THIN_SPACE}% had gone on" in sentence


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"funnels": []}, "The settings define no funnel. [[funnels]] in settings.toml defines one."),
        (
            None,
            "No visit of this week entered a funnel, that is, did its first step. [[funnels]] in settings.toml defines"
            " funnels with the steps of your site.",
        ),
    ],
)
@pytest.mark.long
def test_page_says_whether_there_is_a_funnel(settings: dict[str, Any] | None, expected: str, tmp_path: Path) -> None:
    visits = Visits()
    visits.add(LAST, 3, ["/", "/about"])
    deployment = Deployment(tmp_path, settings)
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    assert expected in written(deployment).text


@pytest.mark.long
@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, "1 visit with no page or action, such as only the load of a file, is not in this table."),
        (2000, "2,000 visits with no page or action, such as only the load of a file, are not in this table."),
    ],
)
def test_visits_without_an_action_are_counted_below_the_first_pages(
    count: int, expected: str, reported_week: Deployment, tmp_path: Path
) -> None:
    loads = {"site": "main", "session_count": count, "visitor_count": 1, "converted_count": 0, "bounce_count": 0}
    assert expected in page_with(reported_week, tmp_path, {"daily_summary": [loads]}).text


@pytest.mark.long
def test_visits_that_are_combined_are_not_said_to_have_no_page(reported_week: Deployment, tmp_path: Path) -> None:
    combined = reported_week.copied_to(tmp_path / "combined")
    with combined.folder.settings.open("a") as settings:
        settings.write("\n[paths]\nmin_session_count = 5\n")
    rare = {"site": "main", "session_count": 7, "visitor_count": 1, "converted_count": 0, "bounce_count": 0}
    text = page_with(combined, tmp_path, {"daily_summary": [rare]}).text
    assert "7 visits are not in this table: rare ones, which [paths] min_session_count combines," in text
    assert "such as only the load of a file" not in text


@pytest.mark.long
@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("/a", ["No visit has two different actions."]),
        ("request", ["No visit has two different actions.", "No visit of this week has an action."]),
    ],
)
def test_page_and_summary_do_not_say_that_what_visits_do_not_have_is_rare(
    action: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visits = Visits()
    visits.add(LAST, 6, [action])
    deployment = Deployment(tmp_path, {"paths": {"min_session_count": 5}})
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    text = written(deployment).text
    assert [each for each in said if each not in text] == []
    assert "are rare." not in text
    assert "combines rare steps." not in text
    show_results(results_of(deployment), [LAST], [], is_all_days=True)
    assert "No session converted, and no action but pages is frequent. A page" in capsys.readouterr().out


@pytest.mark.long
def test_page_does_not_say_that_visits_whose_actions_are_all_rare_have_none(tmp_path: Path) -> None:
    visits = Visits()
    visits.add(LAST, 4, ["/a", "/b"])
    deployment = Deployment(tmp_path, {"paths": {"min_session_count": 5}})
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    page = written(deployment)
    for what in ("first actions", "last actions", "steps"):
        assert page.text.count(f"All {what} are rare.") == 1
    assert page.text.count("[paths] min_session_count combines rare steps.") == 2


@pytest.mark.long
def test_page_does_not_say_that_nobody_converted_if_all_paths_of_purchases_are_rare(tmp_path: Path) -> None:
    visits = Visits()
    for page in ("/a", "/b", "/c", "/d", "/e"):
        visits.add(LAST, 1, [page, "purchase"])
    deployment = Deployment(tmp_path, {"paths": {"min_session_count": 2}})
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    text = written(deployment).text
    assert "Visits with a purchase 5 Each of their paths has fewer visits than [paths] min_session_count" in text
    assert "Visits without a conversion 0 No such visits in this week." in text


@pytest.mark.long
@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (0, "Shares of the visits that begin or end with a page are not known, because"),
        (7, "too low, and shares of the visits that begin or end with a page are not known."),
    ],
)
def test_page_says_why_shares_of_first_and_last_pages_are_not_known(
    missing: int, said: str, reported_week: Deployment, tmp_path: Path
) -> None:
    """Also if all first actions are frequent, and only steps after them are combined."""
    combined = reported_week.copied_to(tmp_path / "combined")
    with combined.folder.settings.open("a") as settings:
        settings.write("\n[paths]\nmin_session_count = 5\n")
    rare = {"site": "main", "outcome": "engaged", "transition": "other", "from_action": "(other)", "session_count": 3}
    more = {"site": "main", "session_count": missing, "visitor_count": 1, "converted_count": 0, "bounce_count": 0}
    groups = [PLAN | {"dimension_value": "free", "session_count": 30}]
    rows = {"action_transitions": [rare], "daily_summary": [more], "daily_breakdowns": groups}
    text = page_with(combined, tmp_path, rows).text
    assert said in text
    assert "Nothing stands out: no channel or device converts" in text
