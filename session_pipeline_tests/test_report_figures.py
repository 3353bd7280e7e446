"""Tests the parts of the report: weeks, axes, charts, and how figures are written."""

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from session_pipeline.report import charts, formats, svg
from session_pipeline.report.chance import is_significant
from session_pipeline.report.charts import marks
from session_pipeline.report.figures import Window
from session_pipeline_tests.changed_reports import OTHER_SITE, page_with
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_pages import LAST


def test_import_of_the_report_does_not_load_the_template_engine() -> None:
    code = "import sys, session_pipeline.report; sys.exit('jinja2' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def window(*days_ago: int) -> Window:
    """Return the window that ends with LAST, with visits on these days."""
    return Window([LAST - timedelta(days=days) for days in days_ago], LAST, LAST, is_full=True)


def test_week_is_seven_days_after_the_seven_before() -> None:
    found = window(13, 0)
    assert (found.first_day, found.before_first_day, found.before_last_day) == (
        date(2024, 3, 9),
        date(2024, 3, 2),
        date(2024, 3, 8),
    )
    assert found.trend_first_day == found.first_known_day == date(2024, 3, 2)


def test_days_of_trends_and_alerts_are_counted_from_the_last_day() -> None:
    found = window(28, 0)
    assert (found.trend_first_day, found.alerts_first_day) == (date(2024, 2, 17), date(2024, 3, 2))
    assert (found.first_known_day, found.latest_day, found.known_days) == (date(2024, 2, 16), LAST, 29)


@pytest.mark.parametrize(
    ("days_ago", "can_compare_weeks", "has_week_before"),
    [
        (range(13, -1, -1), True, True),
        (range(12, -1, -1), False, True),
        ((13, 12, 9, 8, 7, 6, 5, 2, 1, 0), True, True),
        ((13, 9, 8, 7, 6, 5, 2, 1, 0), False, True),
        ((*range(14, 7, -1), *range(6, -1, -1)), False, True),
        ((20, 6, 5, 2, 1, 0), False, False),
    ],
    ids=["each day", "its first day is missing", "closed weekdays", "a holiday", "its last day is missing", "no week"],
)
def test_weeks_are_compared_if_they_have_the_same_weekdays(
    days_ago: Sequence[int], can_compare_weeks: bool, has_week_before: bool
) -> None:
    found = window(*days_ago)
    assert (found.can_compare_weeks, found.has_week_before) == (can_compare_weeks, has_week_before)


def test_days_with_visits_are_counted() -> None:
    found = window(57, 56, 40, 13, 9, 8, 6, 5, 2, 1, 0)
    assert found.compared_day_count == 10


@pytest.mark.parametrize(
    ("highest", "count", "smallest_step", "expected"),
    [
        (903, 5, 1, [0, 200, 400, 600, 800, 1000]),
        (1, 5, 1, [0, 1]),
        (0, 5, 1, [0, 1]),
        (12, 5, 1, [0, 5, 10, 15]),
        (0.142, 5, 0.01, [0, 0.05, 0.1, 0.15]),
        (0.004, 5, 0.01, [0, 0.01]),
        (1.0, 3, 0.01, [0, 0.5, 1.0]),
    ],
)
def test_ticks_of_an_axis_are_round_numbers(
    highest: float, count: int, smallest_step: float, expected: list[float]
) -> None:
    assert marks.nice_ticks(highest, count, smallest_step) == expected


def test_svg_escapes_texts_and_shortens_numbers() -> None:
    assert svg.text("<b>&", 1 / 3, 2.0, "end") == '<text x="0.33" y="2" class="end">&lt;b&gt;&amp;</text>'
    assert svg.element("rect", width=0.0, fill='"', x=None) == '<rect width="0" fill="&#34;"/>'


@pytest.mark.parametrize("forbidden", [*"\x00\x01\x0c\x1b\x7f\x85\ufdd0\ufffe\uffff", "\ud800"])
def test_characters_that_no_image_may_have_are_replaced(forbidden: str) -> None:
    drawn = svg.text(f"a{forbidden}b<", 0, 0)
    assert fromstring(drawn).text == "a\N{REPLACEMENT CHARACTER}b<"


def test_all_other_characters_are_kept() -> None:
    text = "a\t\n\r é\xa0\u200d\u202e\ufdf0\ufffd 商 🪑 \U0010fffd"
    assert formats.allowed(text) == text


def test_texts_in_charts_are_shortened_to_fit() -> None:
    step = {
        "step_number": 1,
        "number": "1",
        "step": "商" * 40,
        "reached_count": 12345678,
        "base_count": 12345678,
        "conversion_rate": 1.0,
    }
    image = charts.funnel(
        "funnel-1", 380, "f", [step | {"is_optional": False, "is_unmatched": False, "is_largest_loss": False}]
    )
    assert '<text x="0" y="14">1  商商…商商商商</text>' in image


def rates_of(labels: list[str], width: int) -> list[tuple[str, str]]:
    """Return where each label is drawn in a chart of rates, and its text; the axis and rates have other styles."""
    rows = [{"label": label, "conversion_rate": 0.3, "low": 0.2, "high": 0.4} for label in labels]
    image = charts.rates("rates-1", width, "Conversion rate", rows, 0.4)
    return re.findall(r'<text x="([^"]+)" y="[^"]+">([^<]+)</text>', image)


def test_labels_of_rates_are_above_if_one_is_too_long() -> None:
    """A phone has 129 pixels beside the axis, a desktop 194."""
    labels = ["free", "business customers of 2026"]
    assert rates_of(labels, 358) == [("17", "free"), ("17", "business customers of 2026")]
    assert rates_of(labels[:1], 358) == [("0", "free")]
    assert rates_of(["business customers"], 540) == [("0", "business customers")]


def test_capitals_are_wider_than_other_letters() -> None:
    assert [round(marks.text_width(text)) for text in ("abcdef", "ABCDEF", "WWWW", "商商商商")] == [46, 56, 52, 52]
    assert rates_of(["SUMMER EMAILS"], 358) == [("17", "SUMMER EMAILS")]


def test_interval_that_is_cut_ends_with_an_arrow() -> None:
    """The scale up to 40 % ends at 300 of 358 pixels."""
    rows = [{"label": "a", "conversion_rate": 0.1, "low": 0.0, "high": high} for high in (0.39, 0.4, 0.41)]
    image = charts.rates("rates-1", 358, "Conversion rate", rows, 0.4)
    arrows = re.findall(r'<polygon points="([^"]+)" fill="var\(--interval\)"><title>([^<]+)', image)
    assert arrows == [("300,59 309,65 300,71", "a: 10.0\u202f%, 95 % interval 0.0–41.0\u202f%")]


def test_losses_of_a_funnel_with_an_optional_step_are_as_wide_as_the_attempts_lost() -> None:
    """Of 12 attempts at a, 2 end there; 5 do the optional step b, and 2 of them end there; 8 reach c."""
    unmarked = {"base_count": 12, "low": 0.0, "high": 1.0, "is_unmatched": False, "is_largest_loss": False}
    steps = [
        unmarked
        | {
            "step_number": number,
            "number": str(number),
            "step": step,
            "is_optional": step == "b",
            "reached_count": reached,
            "dropped_count": dropped,
            "conversion_rate": reached / 12,
        }
        for number, (step, reached, dropped) in enumerate((("a", 12, 2), ("b", 5, 2), ("c", 8, 0)), start=1)
    ]
    image = charts.funnel("funnel-1", 360, "f", steps)
    bars = re.findall(r'<rect x="([^"]+)" y="[^"]+" width="([^"]+)" height="18" fill="var\(--([^)]+)', image)
    assert bars == [
        ("0", "360", "accent"),
        ("0", "150", "accent"),
        ("150", "60", "ghost"),
        ("0", "240", "accent"),
        ("240", "60", "ghost"),
    ]
    assert "66.7" in image.partition("</desc>")[0]


def test_chart_without_conversions_or_with_one_day_is_drawn() -> None:
    row = {"session_date": LAST, "session_count": 0, "conversion_rate": None, "is_final": False}
    image = charts.days("days", 350, [row])
    assert image.count('class="hollow point"') == 1
    assert "nan" not in image
    assert "inf" not in image


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((1, 1, 0, 1), False),
        ((0, 20, 4, 1000), False),
        ((0, 0, 5, 10), False),
        ((56, 70, 48, 80), True),  # Newcombe's example: 0.2 (0.0524 to 0.3339)
        ((48, 80, 56, 70), True),
        ((9, 10, 3, 10), True),  # 0.6 (0.1705 to 0.8090)
        ((5, 56, 0, 29), False),  # 0.0893 (-0.0381 to 0.1926)
    ],
)
def test_a_difference_of_few_visits_can_be_chance(counts: tuple[int, int, int, int], expected: bool) -> None:
    assert is_significant(*counts) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formats.number(1234567), "1,234,567"),
        (formats.number(None), "–"),
        (formats.counted(1, "visit"), "1 visit"),
        (formats.counted(2000, "visit"), "2,000 visits"),
        (formats.money(-1234.5, "EUR"), "−1,234.50 EUR"),
        (formats.percent(0.12345), "12.3 %"),
        (formats.percent(0.0001), "<0.1 %"),
        (formats.percent(0.0), "0.0 %"),
        (formats.percent(0.9994), "99.9 %"),
        (formats.percent(0.9996), ">99.9 %"),
        (formats.percent(1.0), "100.0 %"),
        (formats.points(-0.0004), "±0.0 pp"),
        (formats.points(-0.012), "−1.2 pp"),
        (formats.growth(3, 2), "+50.0 %"),
        (formats.growth(1000, 1), "+99,900.0 %"),
        (formats.growth(3, 0), "–"),
        (formats.growth(50, -100), "–"),
        (formats.growth(-50, 100), "−150.0 %"),
        (formats.days(date(2026, 12, 29), date(2027, 1, 4)), "29 Dec 2026 – 4 Jan 2027"),
        (formats.days(date(2026, 9, 28), date(2026, 10, 4)), "28 Sep – 4 Oct 2026"),
        (formats.duration(604800), "7 days"),
        (formats.duration(3600), "1 hour"),
        (formats.shortened("/" + "a" * 98 + "z"), "/" + "a" * 29 + "…" + "a" * 28 + "z"),
    ],
)
def test_figures_are_written_in_these_formats(text: str, expected: str) -> None:
    assert text.replace(formats.THIN_SPACE, " ") == expected


def test_weeks_with_other_weekdays_show_no_change(reported_week: Deployment, tmp_path: Path) -> None:
    """Visits on a Thursday and a Friday, after a Saturday and a Thursday."""
    rows = [OTHER_SITE | {"site": "main", "session_date": LAST - timedelta(days=days)} for days in (13, 8)]
    page = page_with(reported_week, tmp_path, {"daily_summary": rows})
    assert "Visits 20 Fri 15 Mar: 8" in page.text
    assert "Converted 12 60.0 % Fri 15 Mar: 0" in page.text
    assert "No change is shown, because the two weeks have visits on different weekdays." in page.text
    assert "no comparison with the week before, because it has visits on other weekdays" in page.text
    assert next(row for row in page.rows if row[0] == "Outcome")[1:4] == ["Visits", "Share", "14 days"]
    assert "30.0 % of all visits had one" in page.text
    assert "% in the week before" not in page.text
