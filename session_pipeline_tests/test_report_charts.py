"""Tests which charts of the report are images for other places, such as the Dagster UI."""

import re
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from session_pipeline.report import content, formats
from session_pipeline.report.page import templates
from session_pipeline.report.window import Window
from session_pipeline_tests.changed_reports import LAST, STEP, charts_with, page_with
from session_pipeline_tests.deployment import Deployment

ARROWS = "Arrows: the interval goes on beyond the scale."
VISITS = {"site": "main", "session_count": 50, "converted_count": 9, "bounce_count": 0}


def test_charts_of_the_page_are_images_of_their_own(reported_week: Deployment, tmp_path: Path) -> None:
    compared = [
        VISITS | {"dimension": dimension, "dimension_value": value, "new_session_count": 0, "new_converted_count": 0}
        for dimension, value in (("channel", "email"), ("device", "mobile"), ("plan", "free"), ("plan", "paid"))
    ]
    rows = {"progress_changes": [STEP | {"sentence": "Fewer."}], "daily_breakdowns": compared}
    charts = charts_with(reported_week, tmp_path, rows)
    assert list(charts) == [
        "How visits ended",
        "Look here first, 1: Fewer.",
        "Day by day",
        "Funnel checkout",
        "Conversion rate by channel",
        "Conversion rate by device",
        "Conversion rate by plan",
    ]
    for image in charts.values():
        assert image.startswith("<svg ")
        assert image.count("<svg ") == 1
    assert "before 78.0" in charts["Look here first, 1: Fewer."]
    texts = re.findall(r">([^<>]+)\u202f%</text>", charts["How visits ended"])
    assert texts[-2:] == ["purchase 60.0", "engaged 40.0"], "a legend"
    assert sum(map(len, charts.values())) < 60_000


def test_own_dimension_with_the_title_of_a_packaged_one_has_a_chart_of_its_own(
    reported_week: Deployment, tmp_path: Path
) -> None:
    compared = [
        VISITS | {"dimension": dimension, "dimension_value": value, "new_session_count": 0, "new_converted_count": 0}
        for dimension in ("utm_campaign", "lifecycle", "campaign")
        for value in ("new", "returning")
    ]
    charts = charts_with(reported_week, tmp_path, {"daily_breakdowns": compared})
    titles = [title.removeprefix("Conversion rate by ") for title in charts if "rate by" in title]
    assert titles == ["campaign", "visitor", "utm campaign"]


@pytest.mark.parametrize(("few", "has_arrow"), [(2, True), (50, False)])
def test_page_says_what_an_arrow_is(few: int, has_arrow: bool, reported_week: Deployment, tmp_path: Path) -> None:
    """The scale fits the interval of 50 visits with 9 conversions, and the rate of 2 without any, but not theirs."""
    no_new = {"new_session_count": 0, "new_converted_count": 0}
    compared = [
        VISITS | no_new | {"dimension": "plan", "dimension_value": "paid"},
        VISITS | no_new | {"dimension": "plan", "dimension_value": "free", "session_count": few, "converted_count": 0},
    ]
    page = page_with(reported_week, tmp_path, {"daily_breakdowns": compared})
    assert (ARROWS in page.text) == has_arrow


def test_note_about_arrows_is_only_in_the_width_that_has_one(reported_week: Deployment, tmp_path: Path) -> None:
    """The interval of 10 visits without a conversion ends at 27.8 %, a wide scale at 25 %, and a narrow one at 30 %."""
    no_new = {"new_session_count": 0, "new_converted_count": 0, "dimension": "plan"}
    compared = [
        VISITS | no_new | {"dimension_value": "paid", "converted_count": 5},
        VISITS | no_new | {"dimension_value": "free", "session_count": 10, "converted_count": 0},
    ]
    page = page_with(reported_week, tmp_path, {"daily_breakdowns": compared})
    wide, narrow = page.html.split('id="rates-1-wide-title"')[1].split('id="rates-1-narrow-title"')
    assert ("<polygon" in wide, "<polygon" in narrow) == (True, False)
    assert f'<p class="small wide">{ARROWS}' in page.html


def test_page_without_a_conversion_has_no_charts_and_no_arrows() -> None:
    breakdowns = content.Breakdowns([], more=0, arrows=["narrow", "wide"])
    section = templates().get_template("breakdowns.html")
    window = Window([LAST], LAST, LAST, is_full=True)
    read = {"breakdowns": breakdowns, "window": window, "has_several_sites": False}
    assert ARROWS in section.render(read, converts=True)
    assert ARROWS not in section.render(read, converts=False)


def test_values_with_control_characters_leave_page_and_images_valid(reported_week: Deployment, tmp_path: Path) -> None:
    compared = [
        VISITS | {"dimension": "plan", "dimension_value": value, "new_session_count": 0, "new_converted_count": 0}
        for value in ("a\x01b", "c\ufffed", "\x1b")
    ]
    rows = {"daily_breakdowns": compared}
    [image] = [
        fromstring(svg) for title, svg in charts_with(reported_week, tmp_path / "a", rows).items() if "plan" in title
    ]
    values = {"a\ufffdb", "c\ufffdd", "\ufffd"}
    assert values <= set(image.itertext())
    page = page_with(reported_week, tmp_path / "b", rows)
    assert values <= {row[0] for row in page.rows}
    assert not formats.FORBIDDEN.search(page.html)
