"""Tests what the report shows first: the order of flaws, and hostile text in all sentences.

The rows of the tables of changes are written into a copy of a small warehouse, because real ones need months of visits.
"""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.publish import warehouse
from session_pipeline.reference.changes import is_worse
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


@pytest.mark.long
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
    assert "Now 24.0\u202f%, before 78.0\u202f%, others now 74.0\u202f%." in page.html
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


@pytest.mark.parametrize(
    ("of_desktop", "has_place"),
    [
        ({}, False),
        ({"score": -7.0}, True),
        ({"site": "jp"}, True),
        ({"outcome": "(sessions)"}, True),
        ({"since": LAST, "session_date": LAST}, True),
    ],
    ids=["part", "stronger", "other site", "other rate", "other days"],
)
def test_outcome_of_a_value_has_no_place_after_that_of_all_visits(
    of_desktop: dict[str, Any], has_place: bool, reported_week: Deployment, tmp_path: Path
) -> None:
    """Purchases fell until the day before the last one. Of a device, conversions of all kinds are compared."""
    row = {"site": "main", "rank": 1, "window_days": 7, "is_alert": True, "rate": 0.3, "usual_rate": 0.4}
    row |= {"session_date": LAST - timedelta(days=1), "since": LAST - timedelta(days=4)}
    purchases = {"dimension": "all", "dimension_value": "all", "outcome": "purchase", "score": -6.0}
    desktop = {"dimension": "device", "dimension_value": "desktop", "outcome": "(converted)", "score": -5.0}
    changes = [row | purchases | {"sentence": "All."}, row | desktop | of_desktop | {"sentence": "Desktop."}]
    page = page_with(reported_week, tmp_path, {"outcome_changes": changes})
    assert any("esktop." in flaw for flaw in flaws_of(page)) == has_place
    assert any("ll." in flaw for flaw in flaws_of(page))
    assert "esktop." in page.text.split("Changes found in")[1]


@pytest.mark.long
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


def test_alerts_of_longer_windows_do_not_date_that_of_a_day(reported_week: Deployment, tmp_path: Path) -> None:
    """The day before has only an alert of its seven days."""
    alert = {"site": "jp", "rank": 1, "window_days": 1, "dimension": "all", "dimension_value": "all", "score": -6.0}
    alert |= {"outcome": "(sessions)", "is_alert": True}
    days = [LAST - timedelta(days=days) for days in (3, 2)]
    rows = {
        "daily_summary": [OTHER_SITE | {"session_date": day} for day in days],
        "outcome_changes": [
            alert | {"session_date": day, "window_days": window, "since": day, "sentence": f"{day.day} March."}
            for day, window in zip(days, (7, 1), strict=True)
        ],
    }
    page = page_with(reported_week, tmp_path, rows)
    assert flaws_of(page)[0] == "On site jp: 13 March."
    assert "Unusual · since 13 Mar · last seen 13 Mar" in page.text


def test_event_that_is_an_error_itself_is_named_once(reported_week: Deployment, tmp_path: Path) -> None:
    """At its own action, every visit had the error; a sentence about their share says nothing."""
    row = {"site": "main", "action": "error_page", "session_count": 13, "hard_time_count": 13, "error_count": 13}
    page = page_with(reported_week, tmp_path, {"action_friction": [row]})
    assert any(flaw.endswith("13 visits saw an error: error page.") for flaw in flaws_of(page))


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
