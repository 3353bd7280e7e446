"""Tests what the report says about the days after its last day."""

import re
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline import report
from session_pipeline.data_folder import DataFolder
from session_pipeline.report import sites
from session_pipeline.report.figures import Figure, Figures
from session_pipeline.settings.sources import SourceSettings
from session_pipeline_tests.changed_reports import page_with
from session_pipeline_tests.deployment import Deployment, to_toml
from session_pipeline_tests.report_pages import LAST, Page

EXCLUDED = "Sun 17 Mar is not over and is excluded."
QUIET = "No visits are known after it, through Sat 16 Mar 2024."
LATER = "Later days are not in this report."
LATER_IN_FUNNELS = "Later days are not in this report, except that attempts in funnels can go on in them."
DAY_AFTER, TWO_DAYS_AFTER = LAST + timedelta(days=1), LAST + timedelta(days=2)


def published(data_until: date, built_on: date) -> dict[str, Any]:
    """Return a row of warehouse_info: published at noon of a day, with the days until another one."""
    built_at = datetime.combine(built_on, time(12))
    return {"data_until": data_until, "built_at": built_at, "generation": 10**6, "package_version": "0"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("data_until", "built_on", "visit_days", "expected"),
    [
        (LAST, DAY_AFTER, [], []),
        (DAY_AFTER, TWO_DAYS_AFTER, [], [QUIET]),
        (TWO_DAYS_AFTER, TWO_DAYS_AFTER, [], [QUIET]),
        (TWO_DAYS_AFTER, TWO_DAYS_AFTER, [TWO_DAYS_AFTER], [QUIET, EXCLUDED]),
    ],
    ids=["no later day", "a day without visits", "the day in progress is not over", "visits on the day in progress"],
)
def test_header_says_what_is_known_of_later_days(
    data_until: date,
    built_on: date,
    visit_days: list[date],
    expected: list[str],
    reported_week: Deployment,
    tmp_path: Path,
) -> None:
    later = [{"site": "main", "session_date": day, "session_count": 1} for day in visit_days]
    rows = {"warehouse_info": [published(data_until, built_on)], "daily_summary": later}
    assert said(page_with(reported_week, tmp_path, rows)) == expected


@pytest.mark.long
@pytest.mark.parametrize(
    ("grain", "expected"), [({}, LATER), ({"grain": "visitor", "window_seconds": 86_400}, LATER_IN_FUNNELS)]
)
def test_report_of_a_chosen_day_says_what_later_days_are_for(
    grain: dict[str, Any], expected: str, reported_week: Deployment, tmp_path: Path
) -> None:
    """An attempt of a visitor begins on its first day, and can reach steps on later ones."""
    page_with(reported_week, tmp_path, {"warehouse_info": [published(TWO_DAYS_AFTER, TWO_DAYS_AFTER)]})
    folder = DataFolder(tmp_path / "data")
    steps = [{"name": name, "where": f"event_name = '{name}'"} for name in ("add_to_cart", "purchase")]
    folder.settings.write_text(to_toml({"funnels": [{"name": "f", "steps": steps, **grain}]}), encoding="utf-8")
    path = report.write_day(folder, LAST)
    assert said(Page(path.read_text(encoding="utf-8"))) == [expected]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["main"], ""),
        (["shop"], "shop"),
        (["shop", "blog"], ""),
    ],
)
def test_only_a_single_site_with_a_name_of_its_own_is_in_the_header(names: list[str], expected: str) -> None:
    figures = Figures({}, None, {"sites": Figure("", [{"site": name} for name in names])})
    assert sites.only_name(figures) == expected
    assert SourceSettings().site == sites.DEFAULT


def test_header_names_the_site(reported_week: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "DEFAULT", "another")
    assert "Visits, 9–15 Mar 2024 Site main . Last full day:" in page_with(reported_week, tmp_path, {}).text


def said(page: Page) -> list[str]:
    """Return the sentences of the header about the days after the last one."""
    header = page.text.split("Last full day: Fri 15 Mar 2024 (UTC)")[1].split("visitor")[0]
    return re.findall(r"[A-Z][^.]*\.", header)
