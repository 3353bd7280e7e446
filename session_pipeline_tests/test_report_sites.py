"""Tests what the report says of several sites.

test_report_currencies.py tests their values, which can be in several currencies.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.report.figures import Figure, Figures
from session_pipeline.report.funnels import last_steps
from session_pipeline.report.sites import has_several
from session_pipeline_tests.changed_reports import (
    GAIN,
    LAST,
    OTHER_SITE,
    QUIET_STEP,
    STEP,
    flaws_of,
    gain_rows,
    page_with,
)
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_tables import ReportTables, share, wilson


def test_a_row_of_all_others_is_no_other_site() -> None:
    pages = [{"site": "main", "action": "/"}, {"site": None, "action": None}]
    assert not has_several(Figures({}, None, {"landing_pages": Figure("", pages)}))
    assert has_several(Figures({}, None, {"landing_pages": Figure("", [*pages, {"site": "jp", "action": "/"}])}))


def test_every_sentence_names_its_site_if_there_are_several(reported_week: Deployment, tmp_path: Path) -> None:
    rows = gain_rows(100, 75) | {
        "progress_changes": [
            STEP | {"site": "jp", "sentence": "Fewer visits go on."},
            GAIN,
        ],
        "outcome_changes": [
            {"site": "jp", "rank": 1, "window_days": 7, "dimension": "all", "dimension_value": "all", "score": 5.0}
            | {"is_alert": True, "sentence": "Sessions bounce.", "outcome": "bounce", "rate": 0.3, "usual_rate": 0.1}
        ],
        "opportunities": [
            {"site": "main", "window_days": 84, "rank": 1, "action": "/pay", "signal": "error", "sentence": "Errors."}
            | {"rate_with": 0.1, "rate_without": 0.5, "is_significant": True, "associated_lost_conversions": 1.0}
        ],
        "next_best_actions": [
            {"site": "jp", "window_days": 84, "rank": 1, "at_action": "/a", "seen_action": "/b", "difference": 0.1}
            | {"score": 5.0, "is_significant": True, "sentence": "Sessions also."}
        ],
    }
    page = page_with(reported_week, tmp_path, rows)
    expected = ["On site jp: fewer visits go on.", "On site jp: visits bounce.", "On site main: errors."]
    assert flaws_of(page) == expected
    found = page.text.split("Changes found in")[1]
    assert all(sentence in found for sentence in expected)
    works = page.text.split("What works")[1].split("Changes found in")[0]
    assert "On site jp: visits also." in works
    assert "On site main: more visits go on." in works


def test_quiet_report_of_several_sites_names_the_site_of_a_fault(reported_week: Deployment, tmp_path: Path) -> None:
    row = QUIET_STEP | {"dimension": "all", "dimension_value": "all", "detectable_rate": 0.5}
    page = page_with(reported_week, tmp_path, {"progress_changes": [row], "daily_summary": [OTHER_SITE]})
    assert "Of 100 visits at /shipping on site main in 7 days, usually 77.0 % go on" in page.text


def test_hard_times_of_two_sites_are_counted_apart(reported_week: Deployment, tmp_path: Path) -> None:
    """Both sites have a page /pay. What other visits to one site show is not said of the other."""
    compared = {"window_days": 84, "rank": 1, "rate_with": 0.1, "rate_without": 0.5, "sentence": "No.", "site": "jp"}
    hard = {"site": "jp", "action": "/pay", "session_count": 40, "hard_time_count": 9, "error_count": 9}
    rows = {
        "action_friction": [hard],
        "opportunities": [
            compared
            | {"action": "/pay", "signal": "error", "associated_lost_conversions": 3.0, "is_significant": False}
        ],
    }
    page = page_with(reported_week, tmp_path, rows)
    chance = "They converted less often later than comparable visits; this can be chance."
    assert flaws_of(page)[0].endswith(f"At /pay on site jp, 9 of 40 visits had a hard time: 9 saw an error. {chance}")
    assert flaws_of(page)[1] == "At /pay on site main, 6 of 6 visits had a hard time: 6 saw an error."
    assert ["/pay", "jp", "40", "9"] in [row[:4] for row in page.rows]
    assert ["/pay", "main", "6", "6"] in [row[:4] for row in page.rows]


def test_page_of_many_dimensions_and_sites_says_what_it_leaves_out(reported_week: Deployment, tmp_path: Path) -> None:
    value = {"site": "main", "session_count": 10, "bounce_count": 0, "new_session_count": 0, "converted_count": 1}
    rows = {
        "daily_breakdowns": [
            value | {"dimension": f"own_{number:02}", "dimension_value": letter}
            for number in range(20)
            for letter in "ab"
        ],
        "daily_summary": [OTHER_SITE | {"site": f"site {number:02}"} for number in range(60)],
    }
    page = page_with(reported_week, tmp_path, rows)
    assert page.text.index("By site query") < page.text.index("Changes found in")
    assert page.text.count("By own ") == page.text.count("By ") - 2 == 15
    assert "5 more dimensions: the table daily_breakdowns has all." in page.text
    assert "11 more sites: the table daily_summary has all." in page.text
    assert page.html.count('<div class="paths">') == 1 + 9
    assert "51 more sites: the table typical_paths has all." in page.text


def path_of(site: str, outcome: str, path: str, window_days: int = 7) -> dict[str, Any]:
    """Return the most common path of 600 visits to a site, which 360 of them take."""
    group = {"window_days": window_days, "segment": "(all)", "outcome": outcome, "group_session_count": 600}
    found = {"rank": 1, "path": path, "session_count": 360, "share": 0.6}
    return {"site": site, "median_action_count": 2, "median_seconds": 30, **group, **found}


def test_other_sites_have_their_usual_path_below(reported_week: Deployment, tmp_path: Path) -> None:
    rows = {"daily_summary": [OTHER_SITE], "typical_paths": [path_of("jp", "(not converted)", "/jp/a > /jp/b")]}
    front, below = page_with(reported_week, tmp_path, rows).html.split('id="sites"')
    assert '<a href="#other-paths">Those of other sites</a>' in front
    assert "/jp/b" not in front
    section = below.split("</section>")[0]
    assert 'id="other-paths"' in section
    assert "<span>bounces are left out</span>" in section
    assert "/jp/b" in section
    assert section.count("site <bdi>jp</bdi>") == 2


@pytest.mark.parametrize(
    ("path", "actions", "said"),
    [
        ("/jp/a", 2, "2 actions, with repeats, in 30 s"),
        ("/jp/a > /jp/b", 2, "2 actions in 30 s"),
        ("/jp/a > /jp/b", 2.5, "2 actions in 30 s"),  # as it is written, without a fraction
    ],
)
def test_more_actions_than_the_path_has_are_repeats(
    path: str, actions: float, said: str, reported_week: Deployment, tmp_path: Path
) -> None:
    usual = path_of("jp", "(not converted)", path) | {"median_action_count": actions}
    rows = {"daily_summary": [OTHER_SITE], "typical_paths": [usual]}
    assert f"60.0 % take it: {said} (medians)" in page_with(reported_week, tmp_path, rows).text


@pytest.mark.parametrize(("session_count", "said"), [(10, ":"), (9, ", the most common of many paths:")])
def test_path_of_few_visits_is_said_to_be_one_of_many(
    session_count: int, said: str, reported_week: Deployment, tmp_path: Path
) -> None:
    usual = path_of("jp", "(not converted)", "/jp/a") | {
        "session_count": session_count,
        "group_session_count": 100,
        "share": session_count / 100,
    }
    rows = {"daily_summary": [OTHER_SITE], "typical_paths": [usual]}
    assert f"{session_count}.0 % take it{said}" in page_with(reported_week, tmp_path, rows).text


@pytest.mark.parametrize("seconds", [pytest.param(0, marks=pytest.mark.nightly), 0.5])
def test_path_that_takes_no_time_has_no_duration(seconds: float, reported_week: Deployment, tmp_path: Path) -> None:
    usual = path_of("jp", "(not converted)", "/jp/a") | {"median_action_count": 1, "median_seconds": seconds}
    rows = {"daily_summary": [OTHER_SITE], "typical_paths": [usual]}
    assert "60.0 % take it: 1 action (median) /jp/a" in page_with(reported_week, tmp_path, rows).text


@pytest.mark.parametrize(
    ("bounce_count", "expected"),
    [(0, "No such visits in this week."), (10, "All such visits of this week are bounces.")],
)
def test_site_without_a_usual_path_of_other_visits_says_why(
    bounce_count: int, expected: str, reported_week: Deployment, tmp_path: Path
) -> None:
    summary = OTHER_SITE | {"converted_count": 10 - bounce_count, "bounce_count": bounce_count}
    rows = {"daily_summary": [summary], "typical_paths": [path_of("jp", "(converted)", "/jp/a > /jp/b")]}
    [said] = re.findall(
        "Visits without a conversion 0 ?, site jp (.*?[.])", page_with(reported_week, tmp_path, rows).text
    )
    assert said == expected


def test_paths_of_a_site_that_fell_silent_lead_nowhere(reported_week: Deployment, tmp_path: Path) -> None:
    """The site had the most visits in 28 days and none in the last two weeks, so there is no table of sites."""
    path = path_of("silent", "purchase", "/a > /b", window_days=28)
    page = page_with(reported_week, tmp_path, {"typical_paths": [path]})
    assert "Only of one site, silent . The table typical_paths has the other sites." in page.text
    assert "#other-paths" not in page.html


def test_site_without_visits_in_the_week_keeps_its_row(reported_week: Deployment, tmp_path: Path) -> None:
    before = OTHER_SITE | {"session_date": LAST - timedelta(days=7)}
    page = page_with(reported_week, tmp_path, {"daily_summary": [before]})
    assert page.row("jp") == ["jp", "0", "0", "0", "–", "–", "0"]
    assert "Figures are of all sites together, unless a site is named." in page.text
    assert page.text.count("all sites together") == 6
    assert "all sites together; pages with the same path on several sites are one page" in page.text
    assert "Only of one site, main . The table typical_paths has the other sites." in page.text


def funnel_steps(site: str, counts: Sequence[int], days_ago: int = 0, breakdown: str = "(all)") -> list[dict[str, Any]]:
    """Return the rows of the funnel checkout with three steps on a day of a site."""
    names = ("add to cart", "begin checkout", "purchase")
    fixed = {"funnel": "checkout", "site": site, "entry_date": LAST - timedelta(days=days_ago), "breakdown": breakdown}
    return [
        fixed
        | {"step_number": number, "step": name, "entered_count": count, "reached_count": count, "excluded_count": 0}
        | {"dropped_count": count - after, "started_count": count if number == 1 else 0}
        for number, (name, count, after) in enumerate(zip(names, counts, [*counts[1:], counts[-1]], strict=True), 1)
    ]


def test_funnel_has_a_table_of_sites(reported_week: Deployment, tmp_path: Path) -> None:
    """A site without attempts in the week, and one whose attempts were all excluded, are left out."""
    excluded = [
        row | {"entered_count": 5, "excluded_count": 5, "started_count": 5} for row in funnel_steps("c", [0] * 3)
    ]
    rows = [*funnel_steps("jp", (40, 30, 10), breakdown="a"), *funnel_steps("jp", (60, 30, 30), breakdown="b")]
    rows += [*funnel_steps("jp", (50, 40, 10), days_ago=8), *funnel_steps("old", (9, 9, 9), days_ago=8)]
    rows += [*funnel_steps("b", (12, 12, 12)), *excluded[:1]]
    page = page_with(reported_week, tmp_path, {"funnel_steps": rows})
    tables = ReportTables(page.html)
    assert [row[1] for row in tables.rows("Funnel checkout as a table")] == ["124", "84", "64"]
    assert tables.rows("Funnel checkout by site") == [
        ["jp", "100", "40", share(40, 100), wilson(40, 100), "add to cart"],
        ["b", "12", "12", share(12, 12), wilson(12, 12), "–"],
        ["main", "12", "12", share(12, 12), wilson(12, 12), "–"],
    ]


def test_funnel_names_at_most_eight_sites(reported_week: Deployment, tmp_path: Path) -> None:
    rows = [row for number in range(12) for row in funnel_steps(f"site {number:02}", (20 + number, 5, 1))]
    page = page_with(reported_week, tmp_path, {"funnel_steps": rows})
    assert [row[0] for row in ReportTables(page.html).rows("Funnel checkout by site")] == [
        f"site {number:02}" for number in range(11, 3, -1)
    ]
    assert "5 more sites: the table funnel_steps has all." in page.text


def test_funnel_of_one_site_names_it(reported_week: Deployment, tmp_path: Path) -> None:
    page = page_with(reported_week, tmp_path, {"daily_summary": [OTHER_SITE]})
    assert "All attempts that count are on site main" in page.text


def test_loss_before_a_step_that_matches_no_event_is_not_the_largest_of_a_site() -> None:
    rows = [row | {"base_count": 9} for row in funnel_steps("main", (9, 8, 0))]
    assert [row["lost_after"] for row in last_steps(rows, set())] == ["begin checkout"]
    assert [row["lost_after"] for row in last_steps(rows, {2})] == ["add to cart"]
    assert [row["lost_after"] for row in last_steps(rows, {1, 2})] == [None]
