"""Tests when the report says that a site has no visits any more, or on some days: only if that is surprising."""

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from session_pipeline.report.figures import Row, run_query
from session_pipeline.report.window import Window
from session_pipeline_tests.changed_reports import LAST, STEP, flaws_of, known_until, page_with, weeks_of_visits
from session_pipeline_tests.deployment import Deployment

ALL_DAYS = range(7)


def silent(counts: Mapping[str, Mapping[int, int]]) -> list[tuple[str | None, date, int, float]]:
    """Return the silent sites, from the visits of each site by the number of days before LAST."""
    rows = answer("silent_sites", counts)
    return [(row["silent_site"], row["since"], row["day_count"], row["usual_count"]) for row in rows]


def gaps(counts: Mapping[str, Mapping[int, int]]) -> list[tuple[str | None, int, int, float]]:
    """Return the days without visits between others, from the first to the last day of each gap, before LAST."""
    return [
        (row["silent_site"], *((LAST - row[day]).days for day in ("first_day", "last_day")), row["usual_count"])
        for row in answer("missing_days", counts)
    ]


def answer(query: str, counts: Mapping[str, Mapping[int, int]]) -> list[Row]:
    """Return the rows of a query, from the visits of each site by the number of days before LAST."""
    with duckdb.connect() as connection:
        connection.execute("create table daily_summary (site varchar, session_date date, session_count bigint)")
        for site, of_days in counts.items():
            for days_ago, count in of_days.items():
                row = [site, LAST - timedelta(days=days_ago), count]
                connection.execute("insert into daily_summary values (?, ?, ?)", row)
        return run_query(connection, query, Window((LAST,), LAST, LAST, is_full=True).parameters).rows


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


def test_days_without_visits_between_others_are_gaps() -> None:
    assert gaps({"a": visits(0), "b": visits(0, weeks=8, without=[1, 2, 5])}) == [("b", 5, 5, 20.0), ("b", 2, 1, 40.0)]


def test_gap_of_all_sites_is_not_one_of_each() -> None:
    """Sites b and c lack more days than a."""
    missing = {"a": [3, 4], "b": [3, 4, 5], "c": [2, 3, 4, 5]}
    found = gaps({site: visits(0, weeks=8, without=days) for site, days in missing.items()})
    assert found == [(None, 4, 3, 120.0), ("b", 5, 3, 60.0), ("c", 5, 2, 80.0)]


def test_gap_has_the_same_figures_for_two_weeks() -> None:
    """Its weekday was missing the week before, too; that day is older, so it is left out earlier."""
    for later in range(14):
        of_site = visits(0, weeks=10, without=[later + days for days in (1, 2, 3, 10)])
        found = gaps({"a": visits(0, weeks=10), "b": of_site})
        assert (("b", later + 3, later + 1, 60.0) in found) == (later < 13), later


@pytest.mark.parametrize(
    "of_site",
    [
        visits(0, weeks=8, weekdays=range(5)),  # closed at weekends
        visits(0, weeks=8, without=[14, 15]),  # too old
        visits(0, 9, weeks=8, without=[3]),  # fewer than 10 visits
        visits(0, weeks=8, without=[3, 12, 19, 26]),  # irregular
        visits(0, weeks=4, without=[3]),  # no four weeks before
        visits(3, weeks=8),  # no visits after it
    ],
)
def test_usual_days_without_visits_are_no_gap(of_site: Mapping[int, int]) -> None:
    assert gaps({"a": visits(0, weeks=8), "b": of_site}) == []


def test_closed_weekdays_are_not_a_part_of_a_gap() -> None:
    """LAST is a Friday. The Monday after the weekend is missing."""
    assert gaps({"a": visits(0), "b": visits(0, weeks=8, weekdays=range(5), without=[4])}) == [("b", 4, 4, 20.0)]


def test_missing_days_are_named_first(reported_week: Deployment, tmp_path: Path) -> None:
    missing = [LAST - timedelta(days=days) for days in (2, 4, 5, 6)]
    rows = [row for row in weeks_of_visits("jp", 0, 350) if row["session_date"] not in missing]
    rows += weeks_of_visits("main", 2)
    changes = {"daily_summary": rows, "progress_changes": [STEP | {"sentence": "Fewer go on."}]}
    page = page_with(reported_week, tmp_path, changes)
    assert flaws_of(page)[:2] == [
        "There were no visits on site jp from 9 to 11 March and on 13 March; usually there are about 1,400 in these"
        " 4 days. Check the tracking and the delivery of events.",
        "On site main: fewer go on.",
    ]


@pytest.mark.long
@pytest.mark.parametrize(("site_count", "ending"), [(3, ""), (4, " And 1 more site."), (5, " And 2 more sites.")])
def test_three_silent_sites_are_named_and_the_others_counted(
    site_count: int, ending: str, reported_week: Deployment, tmp_path: Path
) -> None:
    rows = [row for number in range(site_count) for row in weeks_of_visits(f"site{number}", 4)]
    flaw = flaws_of(page_with(reported_week, tmp_path, {"daily_summary": rows}))[0]
    sites, _, rest = flaw.partition("site2 since Tue 12 Mar; usually there are 200 in these 4 days.")
    assert sites.count("No visits on site") == 3
    assert rest == f"{ending} Check the tracking and the delivery of events."


def test_site_without_visits_comes_first(reported_week: Deployment, tmp_path: Path) -> None:
    days = [*weeks_of_visits("jp", 4), *weeks_of_visits("main", 2)]
    rows = {"daily_summary": days, "progress_changes": [STEP | {"sentence": "Fewer go on."}]}
    page = page_with(reported_week, tmp_path, rows)
    assert flaws_of(page)[:2] == [
        "No visits on site jp since Tue 12 Mar; usually there are 200 in these 4 days."
        " Check the tracking and the delivery of events.",
        "On site main: fewer go on.",
    ]
    assert "No change for the worse" not in page.text


def test_end_of_all_visits_comes_first(reported_week: Deployment, tmp_path: Path) -> None:
    rows = {"daily_summary": weeks_of_visits("main", 0), "warehouse_info": [known_until(LAST + timedelta(days=2))]}
    page = page_with(reported_week, tmp_path, rows)
    assert flaws_of(page)[0] == (
        "No visits since Sat 16 Mar; usually there are 100 in these 2 days."
        " Check the tracking and the delivery of events."
    )
    assert "No change for the worse" not in page.text


@pytest.mark.long
@pytest.mark.parametrize(
    ("site", "days_ago", "until", "expected"),
    [("main", 0, 1, "No visits on Sat 16 Mar so far"), ("jp", 1, 0, "No visits on site jp on Fri 15 Mar so far")],
)
def test_one_day_without_visits_comes_after_changes(
    site: str, days_ago: int, until: int, expected: str, reported_week: Deployment, tmp_path: Path
) -> None:
    """The files of the last day can arrive later, so it is no alert; but it has a place."""
    rows: dict[str, list[dict[str, Any]]] = {"daily_summary": weeks_of_visits(site, days_ago)}
    rows["warehouse_info"] = [known_until(LAST + timedelta(days=until))]
    text = f"{expected}; usually there are 50. Files of the last day often arrive later."
    quiet = page_with(reported_week, tmp_path / "quiet", rows)
    assert flaws_of(quiet)[0] == text
    assert quiet.html.count('class="flaw mild"') == len(flaws_of(quiet))
    steps = [STEP | {"action": f"/{n}", "sentence": f"{n}."} for n in range(4)]
    busy = page_with(reported_week, tmp_path / "busy", rows | {"progress_changes": steps})
    assert flaws_of(busy)[2] == text
