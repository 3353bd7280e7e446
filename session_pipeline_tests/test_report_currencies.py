"""Tests what the report says of values in the currencies of several sites."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from session_pipeline_tests.changed_reports import LAST, STEP, flaws_of, page_with
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_pages import Page

CONVERTED = {"outcome": "purchase", "value": 5, "is_converted": True, "conversion_count": 1, "is_bot": False}
FORMER_DAY = {"site": "jp", "session_date": LAST - timedelta(days=20), "session_count": 1, "converted_count": 1}


def converted(site: str, currency: str | None, days_ago: int) -> dict[str, Any]:
    """Return a row of session_outcomes: a visit with a value."""
    day = LAST - timedelta(days=days_ago)
    return CONVERTED | {
        "session_id": f"{site} {day} {currency}",
        "site": site,
        "session_date": day,
        "currency": currency,
    }


def worth(page: Page) -> list[str]:
    return re.findall(r"worth about [^·<]*", page.html.split('id="works"')[0])


def test_lost_value_has_the_currency_of_its_site_and_days(reported_week: Deployment, tmp_path: Path) -> None:
    """The conversions of a site stopped weeks ago; in these two weeks, only the other site's currency occurs."""
    rows = {
        "session_outcomes": [converted("jp", "JPY", 62), converted("jp", "USD", 63), converted("late", "USD", 64)],
        "progress_changes": [
            STEP | {"site": site, "action": "/a", "associated_lost_value": value, "sentence": site}
            for site, value in (("jp", 5000.0), ("main", 25.0), ("late", 9.0))
        ],
    }
    page = page_with(reported_week, tmp_path, rows)
    assert worth(page) == ["worth about 5,000 JPY in 7 days", "worth about 25 EUR in 7 days", "worth about 9 in 7 days"]


def test_lost_value_in_several_currencies_is_not_shown(reported_week: Deployment, tmp_path: Path) -> None:
    rows = {
        "session_outcomes": [converted("main", "USD", 62), converted("jp", None, 40), converted("jp", "JPY", 41)],
        "progress_changes": [
            STEP | {"site": site, "associated_lost_value": 25.0, "sentence": site} for site in ("main", "jp")
        ],
    }
    page = page_with(reported_week, tmp_path, rows)
    assert worth(page) == ["worth about 25 in 7 days"]
    assert page.text.count("· value in several currencies") == 1


def test_value_in_a_sentence_has_its_currency(reported_week: Deployment, tmp_path: Path) -> None:
    rows = [
        STEP
        | {"action": action, "sentence": f"Fewer. About 5 are missing, worth about {value:,.0f}."}
        | {"associated_lost_value": value}
        for action, value in (("/a", 1234.0), ("/b", 25.0))
    ]
    page = page_with(reported_week, tmp_path, {"progress_changes": rows})
    assert flaws_of(page)[0] == "Fewer. About 5 are missing, worth about 1,234 EUR."
    assert "worth about 25 EUR." in page.text.split("Changes found in")[1]


@pytest.mark.long
def test_sentence_has_no_value_of_several_currencies(reported_week: Deployment, tmp_path: Path) -> None:
    change = STEP | {"sentence": "Fewer. About 5 are missing, worth about 1,234."} | {"associated_lost_value": 1234.0}
    rows = {"progress_changes": [change], "session_outcomes": [converted("main", "USD", 62)]}
    page = page_with(reported_week, tmp_path, rows)
    assert flaws_of(page)[0] == "Fewer. About 5 are missing."
    assert "1,234" not in page.text


def test_difficulty_has_the_currency_of_its_site_and_window(reported_week: Deployment, tmp_path: Path) -> None:
    found = {"window_days": 28, "rank": 1, "signal": "error", "rate_with": 0.1, "rate_without": 0.5}
    found |= {"is_significant": True, "associated_lost_value": 900.0, "sentence": "No.", "action": "/a"}
    rows = {
        "session_outcomes": [converted("jp", "JPY", 27), converted("jp", "USD", 28)],
        "opportunities": [found | {"site": "jp"}],
    }
    assert worth(page_with(reported_week, tmp_path, rows)) == ["worth about 900 JPY"]


def test_lost_values_in_different_currencies_have_no_order(reported_week: Deployment, tmp_path: Path) -> None:
    """Then the most missing conversions come first: 1,000 JPY are less than 900 EUR."""
    rows = {
        "session_outcomes": [converted("jp", "JPY", 30)],
        "progress_changes": [
            STEP | {"site": "jp", "associated_lost_value": 1000.0, "associated_lost": 2.0, "sentence": "Few."},
            STEP | {"site": "main", "associated_lost_value": 900.0, "associated_lost": 9.0, "sentence": "Many."},
        ],
    }
    flaws = flaws_of(page_with(reported_week, tmp_path, rows))
    assert flaws[:2] == ["On site main: many.", "On site jp: few."]


def test_sums_in_several_currencies_are_named_and_not_added(reported_week: Deployment, tmp_path: Path) -> None:
    rows = [
        {"session_id": currency or "none", "site": "main", "outcome": "purchase", "value": value}
        | {"is_converted": True, "conversion_count": 1, "is_bot": False, "currency": currency}
        for currency, value in (("JPY", 9_000_000), ("USD", 5000.75), (None, 3))
    ]
    page = page_with(reported_week, tmp_path, {"session_outcomes": rows})
    assert "Value 126.00 EUR and 9,000,000 JPY, 5,001 USD, 3.00 without a currency" in page.text
    assert "Rate Hard time" in page.text.split("The days as a table")[1]


def test_currency_without_value_in_the_week_has_zero(reported_week: Deployment, tmp_path: Path) -> None:
    page = page_with(reported_week, tmp_path, {"session_outcomes": [converted("jp", "JPY", 8)]})
    assert "Value 126.00 EUR and 0.00 JPY" in page.text


@pytest.mark.long
def test_days_in_several_currencies_have_no_value(reported_week: Deployment, tmp_path: Path) -> None:
    """The other currency is older than the two weeks of the headline, but within the days of the table."""
    page = page_with(
        reported_week, tmp_path, {"daily_summary": [FORMER_DAY], "session_outcomes": [converted("jp", "JPY", 20)]}
    )
    assert "Value 126.00 EUR Fri 15 Mar: – Had a hard time" in page.text
    assert "Rate Hard time" in page.text.split("The days as a table")[1]


def test_visits_with_several_currencies_are_counted_and_not_added(reported_week: Deployment, tmp_path: Path) -> None:
    page = page_with(reported_week, tmp_path, {"session_outcomes": [converted("jp", "XXX", 3)]})
    assert "Value 126.00 EUR and 1 visit in several currencies" in page.text
    assert "Rate Hard time" in page.text.split("The days as a table")[1]


@pytest.mark.long
def test_values_only_of_visits_with_several_currencies_are_counted(reported_week: Deployment, tmp_path: Path) -> None:
    changed = reported_week.copied_to(tmp_path / "changed")
    with duckdb.connect(str(changed.folder.warehouse)) as warehouse:
        warehouse.execute("update session_outcomes set currency = 'XXX' where value is not null")
    assert "Value – 12 visits in several currencies Had a hard time" in page_with(changed, tmp_path, {}).text
