"""Tests what the report shows first: the order of flaws, the quiet case, and hostile text in all sentences.

The rows of the tables of changes are written into a copy of a small warehouse, because real ones need months of visits.
"""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.publish import warehouse
from session_pipeline.reference.changes import is_worse
from session_pipeline.report.figures import Figure, Figures
from session_pipeline.report.formats import THIN_SPACE
from session_pipeline.report.hard_times import hard_times
from session_pipeline.report.quiet import visits_needed
from session_pipeline.report.sections import fitting
from session_pipeline_tests.changed_reports import LAST, OTHER_SITE, STEP, flaws_of, page_with
from session_pipeline_tests.deployment import Deployment

HOSTILE = "/<script>alert(1)</script>'"


@pytest.mark.long
def test_alerts_come_first_in_order_of_lost_value(reported_week: Deployment, tmp_path: Path) -> None:
    rows = {
        "progress_changes": [
            STEP | {"action": "/a", "associated_lost_value": 100.0, "sentence": "Second."},
            STEP | {"action": "/b", "associated_lost_value": 900.0, "sentence": "First."},
            STEP | {"action": "/c", "is_alert": False, "associated_lost_value": 9999.0, "sentence": "No alert."},
            STEP | {"action": "/d", "session_date": LAST - timedelta(days=14), "sentence": "Too old."},
        ],
        "outcome_changes": [
            {"site": "main", "rank": 1, "window_days": 7, "dimension": "all", "dimension_value": "all"}
            | {"outcome": outcome, "score": score, "is_alert": True, "sentence": sentence}
            | {"session_count": 20, "outcome_count": 6, "rate": 0.3, "usual_rate": 0.1}
            for outcome, score, sentence in (
                ("purchase", 6.0, "Good news."),
                ("engaged", -6.0, "No news."),
                ("bounce", 5.0, "Third."),
            )
        ],
        "opportunities": [
            {"site": "main", "window_days": 84, "rank": 1, "action": "/pay", "signal": "error", "sentence": "Fourth."}
            | {"rate_with": 0.1, "rate_without": 0.5, "is_significant": True, "associated_lost_value": 1e6}
        ],
    }
    page = page_with(reported_week, tmp_path, rows)
    assert flaws_of(page) == ["First.", "Second.", "Third."]
    assert [key for key in page.ids if re.fullmatch(r"flaw-\d", key)] == ["flaw-1", "flaw-2", "flaw-3"]
    assert "No change for the worse" not in page.text
    assert "Fewer go on · since 9 Mar · worth about 900 EUR in 7 days" in page.text
    found = page.text.split("Changes found in")[1]
    assert all(sentence in found for sentence in ("Good news.", "Fourth."))
    assert not {"No alert.", "Too old."} & set(page.text.split("·"))


@pytest.mark.parametrize(
    ("since", "about", "worth"),
    [
        (date(2024, 3, 9), "About", "worth about"),
        (date(2024, 3, 8), "At least about", "worth at least about"),
        (date(2024, 3, 9), "At least about", "worth at least about"),  # of an older change that was over
    ],
)
def test_change_before_the_window_is_worth_at_least_so_much(
    since: date, about: str, worth: str, reported_week: Deployment, tmp_path: Path
) -> None:
    """The window is the 7 days to 15 March."""
    sentence = f"Fewer. {about} 25 conversions are missing, worth about 900."
    rows = [STEP | {"since": since, "sentence": sentence, "session_date": LAST, "associated_lost_value": 900.0}]
    page = page_with(reported_week, tmp_path, {"progress_changes": rows})
    assert "Now 24.0\u202f%, usual 77.0\u202f%, others now 74.0\u202f%." in page.html
    assert f"{since.day} Mar · {worth} 900 EUR in 7 days" in page.text


OVER = {"is_alert": False, "since": date(2024, 3, 2), "over_since": date(2024, 3, 10), "associated_lost_value": 9e3}


def test_a_fault_that_is_over_comes_after_those_that_last(reported_week: Deployment, tmp_path: Path) -> None:
    earlier = LAST - timedelta(days=5)
    rows = {
        "progress_changes": [
            STEP | {"action": "/a", "session_date": earlier, "associated_lost_value": 9e3, "sentence": "Was there."},
            STEP | {"action": "/a", **OVER, "sentence": "Is over."},
            STEP | {"action": "/b", "associated_lost_value": 5.0, "sentence": "Lasts."},
            STEP | {"action": "/c", **OVER, "over_since": LAST - timedelta(days=14), "sentence": "Over long ago."},
        ],
        "outcome_changes": [
            {"site": "main", "rank": 1, "window_days": 28, "dimension": "all", "dimension_value": "all", "score": -4.0}
            | {"outcome": "purchase", "rate": 0.3, "usual_rate": 0.4, "is_alert": False, "sentence": "Its outcome."}
            | {"since": date(2024, 3, 2), "over_since": date(2024, 3, 10)}
        ],
    }
    page = page_with(reported_week, tmp_path, rows)
    assert flaws_of(page)[:2] == ["Lasts.", "Is over."]
    assert "had a hard time" in flaws_of(page)[2]
    second = page.html.split('id="flaw-2"')[1].split("</article>")[0]
    assert "Usual again · 2–9 Mar · worth at least about" in second
    assert "<svg" not in second
    assert 'class="flaw mild" id="flaw-2"' in page.html
    assert "Was there." not in page.text
    found = page.text.split("Changes found in")[1]
    assert all(sentence in found for sentence in ("Is over.", "Over long ago.", "Its outcome."))


def test_outcomes_that_a_fault_lowered_come_after_it_when_it_is_over(reported_week: Deployment, tmp_path: Path) -> None:
    outcome = {"site": "main", "rank": 1, "dimension": "all", "dimension_value": "all", "score": -4.0}
    outcome |= {"is_alert": True, "rate": 0.3, "usual_rate": 0.4, "since": date(2024, 3, 3)}
    rows = {
        "progress_changes": [STEP | OVER | {"sentence": "Is over."}],
        "outcome_changes": [
            outcome | {"outcome": "(converted)", "window_days": 28, "sentence": "Has its days."},
            outcome | {"outcome": "purchase", "window_days": 1, "sentence": "Has none of them."},
            outcome
            | {"outcome": "bounce", "score": 4.0, "window_days": 7, "session_date": LAST - timedelta(days=4)}
            | {"sentence": "Was there."},
        ],
    }
    page = page_with(reported_week, tmp_path, rows)
    assert flaws_of(page) == ["Has none of them.", "Is over.", "Has its days."]
    assert "Was there." in page.text.split("Changes found in")[1]


def test_outcome_of_one_earlier_day_comes_after_what_lasts(reported_week: Deployment, tmp_path: Path) -> None:
    outcome = {"site": "main", "rank": 1, "dimension": "all", "dimension_value": "all", "score": -4.0}
    outcome |= {"is_alert": True, "rate": 0.3, "usual_rate": 0.4, "window_days": 1}
    rows = {
        "outcome_changes": [
            outcome
            | {"outcome": name, "sentence": f"{name}.", "score": score}
            | {"since": LAST - timedelta(days=days_ago), "session_date": LAST - timedelta(days=days_ago)}
            for name, score, days_ago in (("(converted)", -4.0, 5), ("bounce", 4.0, 6), ("purchase", -4.0, 0))
        ],
        "progress_changes": [STEP | {"sentence": "Lasts."}],
    }
    page = page_with(reported_week, tmp_path, rows)
    assert flaws_of(page) == ["Lasts.", "purchase.", "(converted)."]
    assert "bounce." in page.text.split("Changes found in")[1]


def test_a_fault_that_another_explains_later_has_no_place(reported_week: Deployment, tmp_path: Path) -> None:
    earlier = {"session_date": LAST - timedelta(days=2)}
    by_first = {"is_alert": False, "explained_by": "device=mobile: /b > /payment"}
    rows = [
        STEP | {"action": "/a", "associated_lost_value": 900.0, "sentence": "Its other name."} | earlier,
        STEP | {"action": "/a", **by_first, "sentence": "Follows."},
        STEP | {"action": "/b", "associated_lost_value": 100.0, "sentence": "The fault."},
        STEP | {"action": "/b", "window_days": 14, **by_first, "sentence": "Its other window."},
    ]
    page = page_with(reported_week, tmp_path, {"progress_changes": rows})
    assert flaws_of(page)[0] == "The fault."
    assert "Its other" not in page.text


def test_each_site_has_one_place_while_others_have_flaws(reported_week: Deployment, tmp_path: Path) -> None:
    rows = [
        STEP | {"site": site, "action": f"/{value}", "associated_lost": value, "sentence": f"{value}."}
        for site, value in (("jp", 90.0), ("jp", 80.0), ("jp", 70.0), ("main", 50.0))
    ]
    page = page_with(reported_week, tmp_path, {"progress_changes": rows})
    assert flaws_of(page) == ["On site jp: 90.0.", "On site jp: 80.0.", "On site main: 50.0."]


def test_friction_follows_if_there_are_fewer_than_three(reported_week: Deployment, tmp_path: Path) -> None:
    page = page_with(reported_week, tmp_path, {})
    assert flaws_of(page) == [
        "30.0 % of all visits had a hard time. At /pay, 6 of 6 visits had a hard time: 6 saw an error."
    ]
    assert "Changes cannot be found yet. That takes 29 days with visits in eight weeks; so far there are 2" in page.text
    examples = re.findall(r"<li><code>(.*?)</code></li>", page.html)
    assert len(examples) == 3
    with warehouse.connect(reported_week.folder.warehouse, reported_week.folder.store) as connection:
        known = {key for (key,) in connection.execute("select session_id from session_friction").fetchall()}
    assert set(examples) <= known


def test_fewer_visits_are_dated_from_the_first_of_their_alerts(reported_week: Deployment, tmp_path: Path) -> None:
    """Alerts of visits are single days. The site is closed on the Sunday; on the Thursday before, all was as usual."""
    alert = {"site": "jp", "rank": 1, "window_days": 1, "dimension": "all", "dimension_value": "all", "score": -6.0}
    alert |= {"outcome": "(sessions)", "is_alert": True}
    days = [LAST - timedelta(days=days) for days in (9, 7, 6, 4, 3, 2)]
    rows = {
        "daily_summary": [OTHER_SITE | {"session_date": day} for day in [*days, LAST - timedelta(days=8)]],
        "outcome_changes": [
            alert | {"session_date": day, "since": day, "sentence": f"{day.day} March."} for day in days
        ],
    }
    page = page_with(reported_week, tmp_path, rows)
    assert flaws_of(page)[0] == "On site jp: 13 March."
    assert "Unusual · since 8 Mar · last seen 13 Mar" in page.text


def summary(site: str, latest: int, count: int = 50) -> list[dict[str, Any]]:
    """Return five weeks of visits to a site, up to `latest` days before the last."""
    days = [LAST - timedelta(days=days_ago) for days_ago in range(latest, latest + 35)]
    return [OTHER_SITE | {"site": site, "session_date": day, "session_count": count} for day in days]


def known_until(day: date) -> dict[str, Any]:
    """Return a row of warehouse_info: everything is known until this day."""
    return {"data_until": day, "built_at": day + timedelta(days=1), "generation": 10**6, "package_version": "0"}


def test_site_without_visits_comes_first(reported_week: Deployment, tmp_path: Path) -> None:
    rows = {"daily_summary": summary("jp", 4), "progress_changes": [STEP | {"sentence": "Fewer go on."}]}
    page = page_with(reported_week, tmp_path, rows)
    assert flaws_of(page)[:2] == [
        "No visits on site jp since Tue 12 Mar; usually there are 200 in these 4 days."
        " Check the tracking and the delivery of events.",
        "On site main: fewer go on.",
    ]
    assert "No change for the worse" not in page.text


def test_end_of_all_visits_comes_first(reported_week: Deployment, tmp_path: Path) -> None:
    rows = {"daily_summary": summary("main", 0), "warehouse_info": [known_until(LAST + timedelta(days=2))]}
    page = page_with(reported_week, tmp_path, rows)
    assert flaws_of(page)[0] == (
        "No visits since Sat 16 Mar; usually there are 100 in these 2 days."
        " Check the tracking and the delivery of events."
    )
    assert "No change for the worse" not in page.text


@pytest.mark.parametrize(
    ("site", "days_ago", "until", "expected"),
    [("main", 0, 1, "No visits on Sat 16 Mar so far"), ("jp", 1, 0, "No visits on site jp on Fri 15 Mar so far")],
)
def test_one_day_without_visits_comes_after_changes(
    site: str, days_ago: int, until: int, expected: str, reported_week: Deployment, tmp_path: Path
) -> None:
    """The files of the last day can arrive later, so it is no alert; but it has a place."""
    rows: dict[str, list[dict[str, Any]]] = {"daily_summary": summary(site, days_ago)}
    rows["warehouse_info"] = [known_until(LAST + timedelta(days=until))]
    text = f"{expected}; usually there are 50. Files of the last day often arrive later."
    quiet = page_with(reported_week, tmp_path / "quiet", rows)
    assert flaws_of(quiet)[0] == text
    assert quiet.html.count('class="flaw mild"') == len(flaws_of(quiet))
    steps = [STEP | {"action": f"/{n}", "sentence": f"{n}."} for n in range(4)]
    busy = page_with(reported_week, tmp_path / "busy", rows | {"progress_changes": steps})
    assert flaws_of(busy)[2] == text


def test_event_that_is_an_error_itself_is_named_once(reported_week: Deployment, tmp_path: Path) -> None:
    """At its own action, every visit had the error; a sentence about their share says nothing."""
    row = {"site": "main", "action": "error_page", "session_count": 13, "hard_time_count": 13, "error_count": 13}
    page = page_with(reported_week, tmp_path, {"action_friction": [row]})
    assert any(flaw.endswith("13 visits saw an error: error page.") for flaw in flaws_of(page))


def test_fault_of_a_segment_would_have_been_found(reported_week: Deployment, tmp_path: Path) -> None:
    """If no step of all visits has a row, that of a segment says what would have been found."""
    row = STEP | {"is_alert": False, "detectable_rate": 0.5}
    text = page_with(reported_week, tmp_path, {"progress_changes": [row]}).text
    assert (
        "A fault that costs conversions would usually have been found if of the 100 visits at /shipping with device"
        " mobile in 7 days at most 50.0 % had gone on to /payment; 77.0 % is usual."
    ) in text


def test_smallest_fault_of_visits_without_a_value_is_in_words(reported_week: Deployment, tmp_path: Path) -> None:
    row = STEP | {"is_alert": False, "detectable_rate": 0.5, "dimension": "plan", "dimension_value": "(none)"}
    text = page_with(reported_week, tmp_path, {"progress_changes": [row]}).text
    assert "of the 100 visits at /shipping without plan in 7 days" in text


def test_few_visits_are_no_reason_if_steps_were_compared(reported_week: Deployment, tmp_path: Path) -> None:
    rows = {"progress_changes": [STEP | {"is_alert": False}], "daily_summary": summary("main", 0)}
    text = page_with(reported_week, tmp_path, rows).text
    assert "No change for the worse was found." in text
    assert "too few visits" not in text


def test_quiet_report_says_until_when_there_were_visits(reported_week: Deployment, tmp_path: Path) -> None:
    """Visits ended so long ago that it is no news."""
    row = STEP | {"is_alert": False}
    rows = {"progress_changes": [row], "warehouse_info": [known_until(LAST + timedelta(days=40))]}
    assert "No change for the worse was found through Fri 15 Mar." in page_with(reported_week, tmp_path, rows).text


def test_days_without_visits_do_not_count_for_a_comparison(reported_week: Deployment, tmp_path: Path) -> None:
    """Visits on weekdays only: 35 days, but only 25 of them with visits, so that nothing could be compared."""
    open_days = [row for row in summary("main", 0) if row["session_date"].weekday() < 5]
    page = page_with(reported_week, tmp_path, {"daily_summary": open_days})
    assert "No change for the worse" not in page.text
    assert "That takes 29 days with visits in eight weeks; so far there are 25." in page.text


def test_nothing_is_quiet_if_nothing_was_compared(reported_week: Deployment, tmp_path: Path) -> None:
    """Of 12 visits a week at the first step all take the next: enough to see half of them stay away, but no history."""
    page = page_with(reported_week, tmp_path, {"daily_summary": summary("main", 0)})
    assert "Changes cannot be found yet. There are too few visits with a conversion" in page.text
    assert "are needed" not in page.text


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


@pytest.mark.parametrize(
    ("hard_count", "visit_count", "expected"),
    [
        (0, 12, "No visit of this week had a hard time that its events can show."),
        (1, 1000, "Hardly any visit of this week had a hard time."),
        (4, 12, "33.3 % of all visits had a hard time, but fewer than 5 at any one page; see Hard times."),
        (None, 12, ""),
    ],
)
def test_few_hard_times_are_said_as_they_are(hard_count: int | None, visit_count: int, expected: str) -> None:
    rate = None if hard_count is None else hard_count / visit_count
    counts = {"session_count": visit_count, "observed_count": visit_count}
    week = {"period": "week", "hard_time_count": hard_count, "friction_rate": rate, **counts}
    figures = Figures({}, None, {"visits": Figure("", [week])})
    assert hard_times(figures).replace(THIN_SPACE, " ") == expected


def test_difficulties_that_go_with_missing_conversions_come_first(reported_week: Deployment, tmp_path: Path) -> None:
    compared = {"site": "main", "window_days": 84, "rank": 1, "rate_with": 0.1, "rate_without": 0.5, "sentence": "No."}
    lost = compared | {"signal": "error", "associated_lost_conversions": 2.4, "is_significant": False}
    rows = {"opportunities": [lost | {"action": "/pay"}, lost | {"action": "/elsewhere"}]}
    [sentence] = flaws_of(page_with(reported_week, tmp_path, rows))
    assert sentence.endswith(
        "6 saw an error. They converted less often later than comparable visits; this can be chance."
    )


def test_difficulties_have_a_table_of_their_own(reported_week: Deployment, tmp_path: Path) -> None:
    """Their rates are not those of the week: they compare visits of up to 84 days with and without it."""
    row = {"site": "main", "window_days": 84, "rank": 1, "rate_with": 0.1, "rate_without": 0.5, "is_significant": True}
    row |= {"action": "/pay", "signal": "error", "with_count": 60, "without_count": 138, "sentence": "An error."}
    page = page_with(reported_week, tmp_path, {"opportunities": [row]})
    header, found = (row for row in page.rows if row[0] in ("What", "An error."))
    assert header == ["What", "With it", "Without it", "Visits with it", "Visits without it", "Days"]
    assert [cell.replace(THIN_SPACE, " ") for cell in found[:5]] == ["An error.", "10.0 %", "50.0 %", "60", "138"]
    assert "Changes cannot be found yet. That takes 29 days with visits in eight weeks" in page.text


def test_each_action_has_one_difficulty_among_the_flaws(reported_week: Deployment, tmp_path: Path) -> None:
    row = {"site": "main", "window_days": 84, "rank": 1, "rate_with": 0.1, "rate_without": 0.5, "is_significant": True}
    rows = [
        row
        | {"action": action, "signal": signal, "associated_lost_conversions": lost, "sentence": f"{action} {signal}"}
        for action, signal, lost in (("/a", "error_loop", 2.0), ("/a", "error", 9.0), ("/b", "error", 1.0))
    ]
    flaws = flaws_of(page_with(reported_week, tmp_path, {"opportunities": rows}))
    assert flaws[:2] == ["/a error", "/b error"]
    assert "/pay" in flaws[2]


def test_quiet_report_says_what_would_have_been_found(reported_week: Deployment, tmp_path: Path) -> None:
    row = STEP | {"dimension": "all", "dimension_value": "all", "is_alert": False, "detectable_rate": 0.5}
    page = page_with(reported_week, tmp_path, {"progress_changes": [row]})
    assert (
        "A fault that costs conversions would usually have been found if of the 100 visits at /shipping in 7 days at"
        " most 50.0 % had gone on to /payment; 77.0 % is usual."
    ) in page.text


def test_what_works_is_worded_with_caution(reported_week: Deployment, tmp_path: Path) -> None:
    rows = {
        "next_best_actions": [
            {"site": "main", "window_days": window, "rank": 1, "at_action": "/a", "seen_action": "/b"}
            | {"difference": 0.1, "score": 5.0, "is_significant": True, "sentence": f"Sessions of {window} days."}
            for window in (28, 84)
        ],
        "progress_changes": [STEP | {"score": 4.2, "is_alert": False, "sentence": "More visits go on."}],
    }
    page = page_with(reported_week, tmp_path, rows)
    works = page.text.split("What works")[1].split("Changes found")[0]
    assert "Visits of 84 days. Visits of the last 2 days. An association, not an effect" in works
    assert "More visits go on. Nothing says what causes it" in works
    assert "28 days" not in works


def test_what_works_names_visitors_as_the_glossary_does(reported_week: Deployment, tmp_path: Path) -> None:
    rows = [
        {"site": "main", "dimension": "lifecycle", "dimension_value": value, "session_count": 100}
        | {"bounce_count": 0, "new_session_count": 0, "converted_count": converted}
        for value, converted in (("returning", 99), ("new", 1))
    ]
    page = page_with(reported_week, tmp_path, {"daily_breakdowns": rows})
    works = page.text.split("What works")[1].split("Changes found")[0]
    assert "Visits of visitors who were also there the day before convert more often: 99.0 %" in works


def test_weeks_of_retention_are_over_for_all_their_visitors(reported_week: Deployment, tmp_path: Path) -> None:
    """Of the visitors who first came in the week before the last, only those of its first day had a week since."""
    rows = [
        {"site": "main", "cohort": "first_visit", "period": "week", "periods_after": periods_after}
        | {"cohort_date": LAST - timedelta(days=days), "visitor_count": 10, "returned_count": 1, "is_period_over": True}
        for days in range(7, 28)
        for periods_after in range(1, 4)
        if days >= 7 * periods_after + 6
    ]
    page = page_with(reported_week, tmp_path, {"retention": rows})
    assert page.row("24 Feb – 1 Mar") == ["24 Feb – 1 Mar", "70", "10.0 %", ""]
    assert page.row("17–23 Feb") == ["17–23 Feb", "70", "10.0 %", "10.0 %"]
    assert "2–8 Mar" not in page.text.rsplit("Who comes back", 1)[1].split("Day by day")[0]


def test_retention_of_few_visitors_has_counts_instead_of_shares(reported_week: Deployment, tmp_path: Path) -> None:
    """One visitor who comes back is 100 % of one: a share says nothing there."""
    weeks = [(20, 29, 1, 29), (27, 30, 1, 15)]
    rows = [
        {"site": "main", "cohort": "first_visit", "period": "week", "periods_after": periods_after}
        | {"cohort_date": LAST - timedelta(days=days), "visitor_count": visitors, "returned_count": returned}
        for days, visitors, periods_after, returned in weeks
    ]
    page = page_with(reported_week, tmp_path, {"retention": rows})
    section = page.text.rsplit("Who comes back", 1)[1].split("Day by day")[0]
    assert page.row("24 Feb – 1 Mar") == ["24 Feb – 1 Mar", "29", "29 of 29"]
    assert page.row("17–23 Feb") == ["17–23 Feb", "30", "50.0 %"]
    assert "Grey: a week with fewer than 30 new visitors has numbers instead of shares" in section
    assert "In the first weeks with data, some of the new visitors may have come before." in section


def test_hostile_text_of_all_tables_stays_text(reported_week: Deployment, tmp_path: Path) -> None:
    hostile = {"action": HOSTILE, "dimension_value": HOSTILE, "sentence": f"Look at {HOSTILE}."}
    rows = {
        "progress_changes": [STEP | hostile | {"next_action": HOSTILE, "example_session_ids": f"{HOSTILE} b"}],
        "outcome_changes": [
            {"site": HOSTILE, "rank": 1, "window_days": 7, "dimension": "all", "outcome": "bounce", "score": 5.0}
            | {"is_alert": True, "sentence": HOSTILE, "dimension_value": HOSTILE, "rate": 0.5, "usual_rate": 0.1}
        ],
        "opportunities": [
            {"site": "main", "window_days": 84, "rank": 1, "action": HOSTILE, "signal": HOSTILE, "sentence": HOSTILE}
            | {"rate_with": 0.1, "rate_without": 0.5, "is_significant": True}
        ],
    }
    page = page_with(reported_week, tmp_path, rows)
    assert page.elements.isdisjoint({"script", "img", "iframe", "object", "form"})
    assert flaws_of(page)[0] == f"On site main: look at {HOSTILE}."
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize(
    ("sizes", "expected"), [([], 0), ([9], 1), ([99], 1), ([20, 20, 20], 3), ([20, 20, 21], 2), ([50, 50, 1], 1)]
)
def test_funnels_are_shown_while_their_steps_fit(sizes: list[int], expected: int) -> None:
    assert fitting(sizes, 60) == expected


@pytest.mark.parametrize(
    ("outcome", "score", "expected"),
    [
        ("purchase", -4, True),
        ("purchase", 4, False),
        ("(converted)", -4, True),
        ("(sessions)", -6, True),
        ("(sessions)", 6, False),
        ("abandoned_cart", 4, True),
        ("bounce", -4, False),
        ("engaged", 4, False),
        ("read", 4, False),
        ("read", -4, False),
    ],
)
def test_outcome_is_worse_by_its_kind_and_direction(outcome: str, score: float, expected: bool) -> None:
    assert is_worse({"outcome": outcome, "score": score}, {"purchase"}) is expected


@pytest.mark.parametrize(
    ("rate", "drop", "needed"), [(0.1, 0.5, 739), (0.3, 0.35, 450), (0.5, 0.5, 96), (0.8, 0.8, 15)]
)
def test_visits_needed_to_find_a_drop(rate: float, drop: float, needed: int) -> None:
    assert visits_needed(rate, drop) == pytest.approx(needed, rel=0.05, abs=1)
