"""Tests what the report shows first: the order of flaws, the quiet case, and hostile text in all sentences.

The rows of the tables of changes are written into a copy of a small warehouse, because real ones need months of visits.
"""

import re
import shutil
from collections.abc import Mapping
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import pytest

from session_pipeline import report
from session_pipeline.data_folder import DataFolder
from session_pipeline.publish import warehouse
from session_pipeline.report.figures import Figure, Figures
from session_pipeline.report.flaws import hard_times, is_worse, visits_needed
from session_pipeline.report.formats import THIN_SPACE
from session_pipeline.report.page import fitting
from session_pipeline.report.sites import has_several
from session_pipeline.tables import TABLES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_pages import Page, Visits

LAST = date(2024, 3, 15)
HOSTILE = "/<script>alert(1)</script>'"
BUYING = ["/shop/a", "add_to_cart", "begin_checkout", "purchase"]
STEP = {
    "site": "main",
    "rank": 1,
    "window_days": 7,
    "dimension": "device",
    "dimension_value": "mobile",
    "action": "/shipping",
    "next_action": "/payment",
    "session_count": 100,
    "progress_rate": 0.24,
    "usual_rate": 0.77,
    "others_rate": 0.74,
    "associated_lost": 25.0,
    "score": -5.0,
    "is_alert": True,
    "since": date(2024, 3, 9),
    "example_session_ids": "aaa bbb ccc",
}


OTHER_SITE = {"site": "jp", "session_count": 10, "visitor_count": 1, "converted_count": 0, "bounce_count": 0}
CONVERTED = {"outcome": "purchase", "value": 5, "is_converted": True, "conversion_count": 1, "is_bot": False}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A week with 12 purchases of 20 visits; 6 of the others saw an error at /pay."""
    visits = Visits()
    visits.add(LAST - timedelta(days=1), 12, BUYING)
    visits.add(LAST, 2, ["/shop/a", "/shop/b"])
    visits.add(LAST, 6, ["/pay", "error"], page_url="https://shop.example/pay")
    deployment = Deployment(tmp_path_factory.mktemp("flaws"))
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    return deployment


def page_with(deployment: Deployment, tmp_path: Path, rows: Mapping[str, list[dict[str, Any]]]) -> Page:
    """Return the report of a copy of the warehouse with more rows, of the last day unless the row says otherwise."""
    folder = DataFolder(tmp_path / "data")
    folder.path.mkdir()
    shutil.copy(deployment.folder.warehouse, folder.warehouse)
    shutil.copy(deployment.folder.settings, folder.settings)
    with duckdb.connect(str(folder.warehouse)) as connection:
        for name, added in rows.items():
            for row in added:
                values = {**({"session_date": LAST} if TABLES[name].date_column == "session_date" else {}), **row}
                columns, marks = ", ".join(values), ", ".join("?" * len(values))
                connection.execute(f"insert into {name} ({columns}) values ({marks})", list(values.values()))
    text = report.write(folder).path.read_text(encoding="utf-8")
    with warehouse.connect(folder.warehouse, folder.store) as connection:
        for block in re.findall(r"<pre tabindex=\"0\"><code>(.*?)</code></pre>", text, flags=re.DOTALL):
            connection.execute(unescape(block)).fetchall()
    return Page(text)


def flaws_of(page: Page) -> list[str]:
    """Return the sentences of the flaws, in their order."""
    found = re.findall(r'<p class="sentence">(.*?)</p>', page.html.split('id="works"')[0])
    return [unescape(sentence) for sentence in found]


@pytest.mark.long
def test_alerts_come_first_in_order_of_lost_value(deployment: Deployment, tmp_path: Path) -> None:
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
    page = page_with(deployment, tmp_path, rows)
    assert flaws_of(page) == ["First.", "Second.", "Third."]
    assert [key for key in page.ids if re.fullmatch(r"flaw-\d", key)] == ["flaw-1", "flaw-2", "flaw-3"]
    assert "No change for the worse" not in page.text
    assert "Fewer go on · since 9 Mar · worth about 900.00 EUR" in page.text
    found = page.text.split("Changes found in")[1]
    assert all(sentence in found for sentence in ("Good news.", "Fourth."))
    assert not {"No alert.", "Too old."} & set(page.text.split("·"))


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


def test_lost_value_has_the_currency_of_its_site_and_days(deployment: Deployment, tmp_path: Path) -> None:
    """The conversions of a site stopped weeks ago; in these two weeks, only the other site's currency occurs."""
    rows = {
        "session_outcomes": [converted("jp", "JPY", 62), converted("jp", "USD", 63), converted("late", "USD", 64)],
        "progress_changes": [
            STEP | {"site": site, "action": "/a", "associated_lost_value": value, "sentence": site}
            for site, value in (("jp", 5000.0), ("main", 25.0), ("late", 9.0))
        ],
    }
    page = page_with(deployment, tmp_path, rows)
    assert worth(page) == ["worth about 5,000 JPY", "worth about 25.00 EUR", "worth about 9.00"]


def test_lost_value_in_several_currencies_says_so(deployment: Deployment, tmp_path: Path) -> None:
    rows = {
        "session_outcomes": [converted("main", "USD", 62), converted("jp", None, 40), converted("jp", "JPY", 41)],
        "progress_changes": [
            STEP | {"site": site, "associated_lost_value": 25.0, "sentence": site} for site in ("main", "jp")
        ],
    }
    page = page_with(deployment, tmp_path, rows)
    assert worth(page) == ["worth about 25.00", "worth about 25.00 in mixed currencies"]


def test_value_in_a_sentence_has_its_currency(deployment: Deployment, tmp_path: Path) -> None:
    rows = [
        STEP
        | {"action": action, "sentence": f"Fewer. About 5 are missing, worth about {value:,.0f}."}
        | {"associated_lost_value": value}
        for action, value in (("/a", 1234.0), ("/b", 25.0))
    ]
    page = page_with(deployment, tmp_path, {"progress_changes": rows})
    assert flaws_of(page)[0] == "Fewer. About 5 are missing, worth about 1,234 EUR."
    assert "worth about 25 EUR." in page.text.split("Changes found in")[1]


def test_difficulty_has_the_currency_of_its_site_and_window(deployment: Deployment, tmp_path: Path) -> None:
    found = {"window_days": 28, "rank": 1, "signal": "error", "rate_with": 0.1, "rate_without": 0.5}
    found |= {"is_significant": True, "associated_lost_value": 900.0, "sentence": "No.", "action": "/a"}
    rows = {
        "session_outcomes": [converted("jp", "JPY", 27), converted("jp", "USD", 28)],
        "opportunities": [found | {"site": "jp"}],
    }
    assert worth(page_with(deployment, tmp_path, rows)) == ["worth about 900.00 JPY"]


def test_lost_values_in_different_currencies_have_no_order(deployment: Deployment, tmp_path: Path) -> None:
    """Then the most missing conversions come first: 1,000 JPY are less than 900 EUR."""
    rows = {
        "session_outcomes": [converted("jp", "JPY", 30)],
        "progress_changes": [
            STEP | {"site": "jp", "associated_lost_value": 1000.0, "associated_lost": 2.0, "sentence": "Few."},
            STEP | {"site": "main", "associated_lost_value": 900.0, "associated_lost": 9.0, "sentence": "Many."},
        ],
    }
    flaws = flaws_of(page_with(deployment, tmp_path, rows))
    assert flaws[:2] == ["On site main: Many.", "On site jp: Few."]


def test_flaw_has_its_last_day_examples_and_rates(deployment: Deployment, tmp_path: Path) -> None:
    days = [LAST - timedelta(days=back) for back in (5, 3)]
    rows = [STEP | {"session_date": day, "sentence": f"Seen {day}."} for day in days]
    page = page_with(deployment, tmp_path, {"progress_changes": rows})
    assert flaws_of(page)[0] == "Seen 2024-03-12."
    first = page.html.split('id="flaw-1"')[1].split("</article>")[0]
    assert "last seen 12 Mar" in first
    assert re.findall(r"<li><code>(.*?)</code></li>", first) == ["aaa", "bbb", "ccc"]
    assert "Then 24.0\u202f%, before 77.0\u202f%, others then 74.0\u202f%." in first


OVER = {"is_alert": False, "since": date(2024, 3, 2), "over_since": date(2024, 3, 10), "associated_lost_value": 9e3}


def test_a_fault_that_is_over_comes_after_those_that_last(deployment: Deployment, tmp_path: Path) -> None:
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
    page = page_with(deployment, tmp_path, rows)
    assert flaws_of(page)[:2] == ["Lasts.", "Is over."]
    assert "had a hard time" in flaws_of(page)[2]
    second = page.html.split('id="flaw-2"')[1].split("</article>")[0]
    assert "Usual again · 2–9 Mar · worth about" in second
    assert "<svg" not in second
    assert 'class="flaw mild" id="flaw-2"' in page.html
    assert "Was there." not in page.text
    found = page.text.split("Changes found in")[1]
    assert all(sentence in found for sentence in ("Is over.", "Over long ago.", "Its outcome."))


def test_outcomes_that_a_fault_lowered_come_after_it_when_it_is_over(deployment: Deployment, tmp_path: Path) -> None:
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
    page = page_with(deployment, tmp_path, rows)
    assert flaws_of(page) == ["Has none of them.", "Is over.", "Has its days."]
    assert "Was there." in page.text.split("Changes found in")[1]


def test_a_fault_that_another_explains_later_has_no_place(deployment: Deployment, tmp_path: Path) -> None:
    earlier = {"session_date": LAST - timedelta(days=2)}
    by_first = {"is_alert": False, "explained_by": "device=mobile: /b > /payment"}
    rows = [
        STEP | {"action": "/a", "associated_lost_value": 900.0, "sentence": "Its other name."} | earlier,
        STEP | {"action": "/a", **by_first, "sentence": "Follows."},
        STEP | {"action": "/b", "associated_lost_value": 100.0, "sentence": "The fault."},
        STEP | {"action": "/b", "window_days": 14, **by_first, "sentence": "Its other window."},
    ]
    page = page_with(deployment, tmp_path, {"progress_changes": rows})
    assert flaws_of(page)[0] == "The fault."
    assert "Its other" not in page.text


def test_each_site_has_one_place_while_others_have_flaws(deployment: Deployment, tmp_path: Path) -> None:
    rows = [
        STEP | {"site": site, "action": f"/{value}", "associated_lost": value, "sentence": f"{value}."}
        for site, value in (("jp", 90.0), ("jp", 80.0), ("jp", 70.0), ("main", 50.0))
    ]
    page = page_with(deployment, tmp_path, {"progress_changes": rows})
    assert flaws_of(page) == ["On site jp: 90.0.", "On site jp: 80.0.", "On site main: 50.0."]


def test_friction_follows_if_there_are_fewer_than_three(deployment: Deployment, tmp_path: Path) -> None:
    page = page_with(deployment, tmp_path, {})
    assert flaws_of(page) == [
        "30.0\u202f% of all visits had a hard time. At /pay, 6 of 6 visits had a hard time: 6 saw an error."
    ]
    assert "Changes cannot be found yet. That takes 29 days with visits in eight weeks; so far there are 2" in page.text
    examples = re.findall(r"<li><code>(.*?)</code></li>", page.html)
    assert len(examples) == 3
    with warehouse.connect(deployment.folder.warehouse, deployment.folder.store) as connection:
        known = {key for (key,) in connection.execute("select session_id from session_friction").fetchall()}
    assert set(examples) <= known


def test_fewer_visits_are_dated_from_the_first_of_their_alerts(deployment: Deployment, tmp_path: Path) -> None:
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
    page = page_with(deployment, tmp_path, rows)
    assert flaws_of(page)[0] == "On site jp: 13 March."
    assert "Unusual · since 8 Mar · last seen 13 Mar" in page.text


def summary(site: str, latest: int, count: int = 50) -> list[dict[str, Any]]:
    """Return five weeks of visits to a site, up to `latest` days before the last."""
    days = [LAST - timedelta(days=days_ago) for days_ago in range(latest, latest + 35)]
    return [OTHER_SITE | {"site": site, "session_date": day, "session_count": count} for day in days]


def known_until(day: date) -> dict[str, Any]:
    """Return a row of warehouse_info: everything is known until this day."""
    return {"data_until": day, "built_at": day + timedelta(days=1), "generation": 10**6, "package_version": "0"}


def test_site_without_visits_comes_first(deployment: Deployment, tmp_path: Path) -> None:
    rows = {"daily_summary": summary("jp", 4), "progress_changes": [STEP | {"sentence": "Fewer go on."}]}
    page = page_with(deployment, tmp_path, rows)
    assert flaws_of(page)[:2] == [
        "No visits on site jp since Tue 12 Mar; usually there are 200 in these 4 days."
        " Check the tracking and the delivery of events.",
        "On site main: Fewer go on.",
    ]
    assert "No change for the worse" not in page.text


def test_end_of_all_visits_comes_first(deployment: Deployment, tmp_path: Path) -> None:
    rows = {"daily_summary": summary("main", 0), "warehouse_info": [known_until(LAST + timedelta(days=1))]}
    page = page_with(deployment, tmp_path, rows)
    assert flaws_of(page)[0] == (
        "No visits since Sat 16 Mar; usually there are 50 on this day. Check the tracking and the delivery of events."
    )
    assert "No change for the worse" not in page.text


def test_quiet_report_says_until_when_there_were_visits(deployment: Deployment, tmp_path: Path) -> None:
    """Visits ended so long ago that it is no news."""
    row = STEP | {"is_alert": False}
    rows = {"progress_changes": [row], "warehouse_info": [known_until(LAST + timedelta(days=40))]}
    assert "No change for the worse was found through Fri 15 Mar." in page_with(deployment, tmp_path, rows).text


def test_days_without_visits_do_not_count_for_a_comparison(deployment: Deployment, tmp_path: Path) -> None:
    """Visits on weekdays only: 35 days, but only 25 of them with visits, so that nothing could be compared."""
    open_days = [row for row in summary("main", 0) if row["session_date"].weekday() < 5]
    page = page_with(deployment, tmp_path, {"daily_summary": open_days})
    assert "No change for the worse" not in page.text
    assert "That takes 29 days with visits in eight weeks; so far there are 25." in page.text


def test_nothing_is_quiet_if_nothing_was_compared(deployment: Deployment, tmp_path: Path) -> None:
    page = page_with(deployment, tmp_path, {"daily_summary": summary("main", 0)})
    assert "Changes cannot be found yet. There are too few visits with a conversion" in page.text


def test_weeks_with_other_weekdays_show_no_change(deployment: Deployment, tmp_path: Path) -> None:
    """Visits on a Thursday and a Friday, after a Saturday and a Thursday."""
    rows = [OTHER_SITE | {"site": "main", "session_date": LAST - timedelta(days=days)} for days in (13, 8)]
    page = page_with(deployment, tmp_path, {"daily_summary": rows})
    assert "Visits 20 Fri 15 Mar: 8" in page.text
    assert "Converted 12 60.0 % Fri 15 Mar: 0" in page.text
    assert "No change is shown, because the two weeks have visits on different weekdays." in page.text
    assert "the week before, 2–8 Mar 2024; visits on 2 days of it and 2 of this week" in page.text


@pytest.mark.parametrize(
    ("hard_count", "visit_count", "expected"),
    [
        (0, 12, "No visit of this week had a hard time."),
        (1, 1000, "Hardly any visit of this week had a hard time."),
        (4, 12, "33.3 % of all visits had a hard time, but fewer than 5 at any one page; see Hard times."),
        (None, 12, ""),
    ],
)
def test_few_hard_times_are_said_as_they_are(hard_count: int | None, visit_count: int, expected: str) -> None:
    rate = None if hard_count is None else hard_count / visit_count
    week = {"period": "week", "hard_time_count": hard_count, "friction_rate": rate}
    figures = Figures({}, None, {"visits": Figure("", [week])})
    assert hard_times(figures).replace(THIN_SPACE, " ") == expected


def test_difficulties_that_go_with_missing_conversions_come_first(deployment: Deployment, tmp_path: Path) -> None:
    compared = {"site": "main", "window_days": 84, "rank": 1, "rate_with": 0.1, "rate_without": 0.5, "sentence": "No."}
    lost = compared | {"signal": "error", "associated_lost_conversions": 2.4, "is_significant": False}
    rows = {"opportunities": [lost | {"action": "/pay"}, lost | {"action": "/elsewhere"}]}
    [sentence] = flaws_of(page_with(deployment, tmp_path, rows))
    assert sentence.endswith(
        "6 saw an error. They converted less often later than comparable visits; this can be chance."
    )


def test_difficulties_have_a_table_of_their_own(deployment: Deployment, tmp_path: Path) -> None:
    """Their rates are not those of the week: they compare visits of up to 84 days with and without it."""
    row = {"site": "main", "window_days": 84, "rank": 1, "rate_with": 0.1, "rate_without": 0.5, "is_significant": True}
    row |= {"action": "/pay", "signal": "error", "with_count": 60, "without_count": 138, "sentence": "An error."}
    page = page_with(deployment, tmp_path, {"opportunities": [row]})
    header, found = (row for row in page.rows if row[0] in ("What", "An error."))
    assert header == ["What", "With it", "Without it", "Visits with it", "Visits without it", "Days"]
    assert [cell.replace(THIN_SPACE, " ") for cell in found[:5]] == ["An error.", "10.0 %", "50.0 %", "60", "138"]


def test_a_row_of_all_others_is_no_other_site() -> None:
    pages = [{"site": "main", "action": "/"}, {"site": None, "action": None}]
    assert not has_several(Figures({}, None, {"landing_pages": Figure("", pages)}))
    assert has_several(Figures({}, None, {"landing_pages": Figure("", [*pages, {"site": "jp", "action": "/"}])}))


def test_each_action_has_one_difficulty_among_the_flaws(deployment: Deployment, tmp_path: Path) -> None:
    row = {"site": "main", "window_days": 84, "rank": 1, "rate_with": 0.1, "rate_without": 0.5, "is_significant": True}
    rows = [
        row
        | {"action": action, "signal": signal, "associated_lost_conversions": lost, "sentence": f"{action} {signal}"}
        for action, signal, lost in (("/a", "error_loop", 2.0), ("/a", "error", 9.0), ("/b", "error", 1.0))
    ]
    flaws = flaws_of(page_with(deployment, tmp_path, {"opportunities": rows}))
    assert flaws[:2] == ["/a error", "/b error"]
    assert "/pay" in flaws[2]


def test_quiet_report_says_what_would_have_been_found(deployment: Deployment, tmp_path: Path) -> None:
    row = STEP | {"dimension": "all", "dimension_value": "all", "is_alert": False, "detectable_rate": 0.5}
    page = page_with(deployment, tmp_path, {"progress_changes": [row]})
    assert (
        "A fault would have been found if of the 100 visits at /shipping in 7 days at most 50.0 % had gone on to"
        " /payment; 77.0 % is usual."
    ) in page.text


def test_what_works_is_worded_with_caution(deployment: Deployment, tmp_path: Path) -> None:
    rows = {
        "next_best_actions": [
            {"site": "main", "window_days": window, "rank": 1, "at_action": "/a", "seen_action": "/b"}
            | {"difference": 0.1, "score": 5.0, "is_significant": True, "sentence": f"Sessions of {window} days."}
            for window in (28, 84)
        ],
        "progress_changes": [STEP | {"score": 4.2, "is_alert": False, "sentence": "More visits go on."}],
    }
    page = page_with(deployment, tmp_path, rows)
    works = page.text.split("What works")[1].split("Changes found")[0]
    assert "Visits of 84 days. An association, not an effect" in works
    assert "More visits go on. Nothing says what causes it" in works
    assert "28 days" not in works


def test_what_works_names_visitors_as_the_glossary_does(deployment: Deployment, tmp_path: Path) -> None:
    rows = [
        {"site": "main", "dimension": "lifecycle", "dimension_value": value, "session_count": 100}
        | {"bounce_count": 0, "new_session_count": 0, "converted_count": converted}
        for value, converted in (("returning", 99), ("new", 1))
    ]
    page = page_with(deployment, tmp_path, {"daily_breakdowns": rows})
    works = page.text.split("What works")[1].split("Changes found")[0]
    assert "Visits of visitors who were also there the day before convert more often: 99.0 %" in works


def test_weeks_of_retention_are_over_for_all_their_visitors(deployment: Deployment, tmp_path: Path) -> None:
    """Of the visitors who first came in the week before the last, only those of its first day had a week since."""
    rows = [
        {"site": "main", "cohort": "first_visit", "period": "week", "periods_after": periods_after}
        | {"cohort_date": LAST - timedelta(days=days), "visitor_count": 10, "returned_count": 1, "is_period_over": True}
        for days in range(7, 28)
        for periods_after in range(1, 4)
        if days >= 7 * periods_after + 6
    ]
    page = page_with(deployment, tmp_path, {"retention": rows})
    assert page.row("24 Feb – 1 Mar") == ["24 Feb – 1 Mar", "70", "10.0 %", ""]
    assert page.row("17–23 Feb") == ["17–23 Feb", "70", "10.0 %", "10.0 %"]
    assert "2–8 Mar" not in page.text.split("Who comes back")[1].split("Day by day")[0]


def test_sums_in_several_currencies_are_named_and_not_added(deployment: Deployment, tmp_path: Path) -> None:
    rows = [
        {"session_id": currency or "none", "site": "main", "outcome": "purchase", "value": value}
        | {"is_converted": True, "conversion_count": 1, "is_bot": False, "currency": currency}
        for currency, value in (("JPY", 9_000_000), ("USD", 5), (None, 3))
    ]
    page = page_with(deployment, tmp_path, {"session_outcomes": rows})
    assert "Value 9,000,000 JPY and 126.00 EUR, 5.00 USD, 3.00 without a currency" in page.text
    assert "Rate Hard time" in page.text.split("The days as a table")[1]


def test_currency_without_value_in_the_week_has_zero(deployment: Deployment, tmp_path: Path) -> None:
    page = page_with(deployment, tmp_path, {"session_outcomes": [converted("jp", "JPY", 8)]})
    assert "Value 126.00 EUR and 0.00 JPY" in page.text


def test_days_in_several_currencies_have_no_value(deployment: Deployment, tmp_path: Path) -> None:
    """The other currency is older than the two weeks of the headline, but within the days of the table."""
    page = page_with(
        deployment, tmp_path, {"daily_summary": [FORMER_DAY], "session_outcomes": [converted("jp", "JPY", 20)]}
    )
    assert "Value 126.00 EUR Fri 15 Mar: – Had a hard time" in page.text
    assert "Rate Hard time" in page.text.split("The days as a table")[1]


def test_hostile_text_of_all_tables_stays_text(deployment: Deployment, tmp_path: Path) -> None:
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
    page = page_with(deployment, tmp_path, rows)
    assert page.elements.isdisjoint({"script", "img", "iframe", "object", "form"})
    assert flaws_of(page)[0] == f"On site main: Look at {HOSTILE}."
    assert len(page.ids) == len(set(page.ids))


def test_every_sentence_names_its_site_if_there_are_several(deployment: Deployment, tmp_path: Path) -> None:
    rows = {
        "progress_changes": [
            STEP | {"site": "jp", "sentence": "Fewer visits go on."},
            STEP | {"action": "/b", "score": 4.2, "is_alert": False, "sentence": "More go on."},
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
    page = page_with(deployment, tmp_path, rows)
    expected = ["On site jp: Fewer visits go on.", "On site jp: Visits bounce.", "On site main: Errors."]
    assert flaws_of(page) == expected
    found = page.text.split("Changes found in")[1]
    assert all(sentence in found for sentence in expected)
    works = page.text.split("What works")[1].split("Changes found in")[0]
    assert "On site jp: Visits also." in works
    assert "On site main: More go on." in works


def test_quiet_report_of_several_sites_names_the_site_of_a_fault(deployment: Deployment, tmp_path: Path) -> None:
    row = STEP | {"dimension": "all", "dimension_value": "all", "is_alert": False, "detectable_rate": 0.5}
    page = page_with(deployment, tmp_path, {"progress_changes": [row], "daily_summary": [OTHER_SITE]})
    assert "of the 100 visits at /shipping on site main in 7 days at most 50.0 % had gone on" in page.text


def test_hard_times_of_two_sites_are_counted_apart(deployment: Deployment, tmp_path: Path) -> None:
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
    page = page_with(deployment, tmp_path, rows)
    chance = "They converted less often later than comparable visits; this can be chance."
    assert flaws_of(page)[0].endswith(f"At /pay on site jp, 9 of 40 visits had a hard time: 9 saw an error. {chance}")
    assert flaws_of(page)[1] == "At /pay on site main, 6 of 6 visits had a hard time: 6 saw an error."
    assert ["/pay", "jp", "40", "9"] in [row[:4] for row in page.rows]
    assert ["/pay", "main", "6", "6"] in [row[:4] for row in page.rows]


def test_page_of_many_dimensions_and_sites_says_what_it_leaves_out(deployment: Deployment, tmp_path: Path) -> None:
    value = {"site": "main", "session_count": 10, "bounce_count": 0, "new_session_count": 0, "converted_count": 1}
    rows = {
        "daily_breakdowns": [
            value | {"dimension": f"own_{number:02}", "dimension_value": letter}
            for number in range(20)
            for letter in "ab"
        ],
        "daily_summary": [OTHER_SITE | {"site": f"site {number:02}"} for number in range(60)],
    }
    page = page_with(deployment, tmp_path, rows)
    assert page.text.count("By own ") == page.text.count("By ") - 1 == 15
    assert "5 more dimensions: the table daily_breakdowns has all." in page.text
    assert "11 more sites: the table daily_summary has all." in page.text


@pytest.mark.parametrize(
    ("sizes", "expected"), [([], 0), ([9], 1), ([99], 1), ([20, 20, 20], 3), ([20, 20, 21], 2), ([50, 50, 1], 1)]
)
def test_funnels_are_shown_while_their_steps_fit(sizes: list[int], expected: int) -> None:
    assert fitting(sizes, 60) == expected


def test_site_without_visits_in_the_week_keeps_its_row(deployment: Deployment, tmp_path: Path) -> None:
    before = OTHER_SITE | {"session_date": LAST - timedelta(days=7)}
    page = page_with(deployment, tmp_path, {"daily_summary": [before]})
    assert page.row("jp") == ["jp", "0", "0", "0", "–", "–", "0"]
    assert "Figures are of all sites together, unless a site is named." in page.text


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
