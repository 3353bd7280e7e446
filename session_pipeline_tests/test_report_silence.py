"""Tests when the report says that a site has no visits any more: only if no visits are surprising."""

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from session_pipeline.report.figures import run_query
from session_pipeline_tests.changed_reports import OTHER_SITE, flaws_of, page_with
from session_pipeline_tests.deployment import Deployment

LAST = date(2024, 3, 15)  # a Friday
ALL_DAYS = range(7)


def silent(counts: Mapping[str, Mapping[int, int]]) -> list[tuple[str | None, date, int, float]]:
    """Return the silent sites, from the visits of each site by the number of days before LAST."""
    with duckdb.connect() as connection:
        connection.execute("create table daily_summary (site varchar, session_date date, session_count bigint)")
        for site, of_days in counts.items():
            for days_ago, count in of_days.items():
                row = [site, LAST - timedelta(days=days_ago), count]
                connection.execute("insert into daily_summary values (?, ?, ?)", row)
        found = run_query(connection, "silent_sites", {"known_until": LAST}).rows
    return [(row["silent_site"], row["since"], row["day_count"], row["usual_count"]) for row in found]


def visits(
    latest: int, count: int = 20, weekdays: Collection[int] = ALL_DAYS, without: Collection[int] = (), weeks: int = 5
) -> dict[int, int]:
    """Return visits on these weekdays, up to `latest` days before LAST, without some days."""
    return {
        days_ago: count
        for days_ago in range(latest, latest + 7 * weeks)
        if (LAST - timedelta(days=days_ago)).weekday() in weekdays and days_ago not in without
    }


def test_site_without_visits_is_silent_since_the_day_after_its_last() -> None:
    assert silent({"a": visits(0), "b": visits(4)}) == [("b", date(2024, 3, 12), 4, 80.0)]


def test_all_sites_together_come_first() -> None:
    """Neither of the small sites is silent: 5 visits are not enough to tell."""
    assert silent({"a": visits(1, 5), "b": visits(1, 5)}) == [(None, LAST, 1, 10.0)]
    assert [found[0] for found in silent({"a": visits(1, 5), "b": visits(1, 30)})] == [None, "b"]


@pytest.mark.parametrize(("count", "days", "expected"), [(9, 1, []), (10, 1, [10.0]), (2, 4, []), (2, 5, [10.0])])
def test_ten_visits_must_be_missing(count: int, days: int, expected: list[float]) -> None:
    assert [found[3] for found in silent({"a": visits(0, 1), "b": visits(days, count)})] == expected


def test_usual_is_the_median_of_the_weekday() -> None:
    fridays = {7: 10, 14: 20, 21: 40, 28: 1000}
    assert silent({"a": visits(0), "b": visits(1) | fridays}) == [("b", LAST, 1, 30.0)]


def test_closed_weekdays_are_not_missing() -> None:
    """The days after a Thursday and a Friday are looked at; the site is closed on Fridays, or from Wednesday on."""
    assert silent({"a": visits(0), "b": visits(1, weekdays=range(4))}) == []
    assert silent({"a": visits(0), "b": visits(4, weekdays=range(2))}) == [("b", date(2024, 3, 12), 4, 20.0)]


def test_site_with_irregular_days_needs_a_longer_silence() -> None:
    """Of the four weeks before, three days were empty: four days without visits are surprising, three are not."""
    for silence, is_silent in ((3, False), (4, True)):
        irregular = visits(silence, without=[silence + 9, silence + 16, silence + 23])
        assert bool(silent({"a": visits(0), "b": irregular})) is is_silent


def test_site_is_named_for_four_weeks_if_it_had_four_weeks() -> None:
    assert silent({"a": visits(0), "b": visits(28)})
    assert not silent({"a": visits(0), "b": visits(29)})
    assert silent({"a": visits(0), "b": visits(1, weeks=4)})
    assert not silent({"a": visits(0), "b": visits(1, weeks=3)})


@pytest.mark.parametrize(("site_count", "ending"), [(3, ""), (4, " And 1 more site."), (5, " And 2 more sites.")])
def test_three_silent_sites_are_named_and_the_others_counted(
    site_count: int, ending: str, reported_week: Deployment, tmp_path: Path
) -> None:
    rows = [
        OTHER_SITE | {"site": f"site{site}", "session_date": LAST - timedelta(days=days), "session_count": 50}
        for site in range(site_count)
        for days in range(4, 39)
    ]
    flaw = flaws_of(page_with(reported_week, tmp_path, {"daily_summary": rows}))[0]
    sites, _, rest = flaw.partition("site2 since Tue 12 Mar; usually there are 200 in these 4 days.")
    assert sites.count("No visits on site") == 3
    assert rest == f"{ending} Check the tracking and the delivery of events."
