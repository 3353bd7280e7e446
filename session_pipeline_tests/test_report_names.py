"""Tests how the report writes names: readable in any script, the same in sentences and tables, and never altered."""

import re
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from session_pipeline.report import formats, names
from session_pipeline.report.page import breakable
from session_pipeline.tables.changes.progress_sentences import ChangedStep, OtherValues, progress_sentence
from session_pipeline_tests.changed_reports import STEP, page_with
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_pages import LAST, Page, Visits, written

SHOES = "/العربية/حذاء"
LONG = "/articles/" + "very-long-title-" * 5


def changed(dimension: str, value: str, action: str, next_action: str, *others: str) -> str:
    """Return the sentence of a changed step as the report writes it."""
    step = ChangedStep((dimension, value), action, next_action, 7, date(2024, 4, 9), 0.0, None, has_older=False)
    text = progress_sentence(
        step,
        since=date(2024, 4, 3),
        count=100,
        progressed_count=20,
        rate_before=0.5,
        others=OtherValues(others, 0.5, 0.5),
        explained_by=None,
    )
    row = {"dimension": dimension, "dimension_value": value, "action": action, "next_action": next_action}
    return names.sentence(row | {"sentence": text}).replace(formats.THIN_SPACE, " ")


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (("all", "all", "/my_page", "/"), "visits at /my_page go on to the home page: 20"),
        (("all", "all", "/", "add_to_cart"), "visits at the home page go on to add to cart: 20"),
        (("all", "all", "Login / Register", "/a"), "visits at Login / Register go on to /a: 20"),
        (("all", "all", "Session Started", "sessions"), "visits at Session Started go on to sessions: 20"),
        (("utm_campaign", "spring_sale", "/a", "/b"), "visits with campaign spring_sale at /a go on to /b: 20"),
        (("utm_campaign", "(none)", "/a", "/b"), "visits without campaign at /a go on to /b: 20"),
        (("utm_source", "a", "/a", "/b", "b"), ", for visits with source b it still is 50 %."),
        (("plan_of_the_customer", "free", "/a", "/b"), "visits with plan of the customer free at /a"),
        (("channel", "paid_search", "/a", "/b"), "visits with channel paid search at /a go on to /b: 20"),
        (("channel", "direct", "/a", "/b", "paid_search"), ", for visits with channel paid search it still is 50 %."),
        (
            ("own_channel", "a", "/a", "/b", "paid_search"),
            ", for visits with own channel paid_search it still is 50 %.",
        ),
        (("landing_action", "/a", "/a", "/", "/"), ", for visits that begin with the home page it still is 50 %."),
        (("all", "all", quote(SHOES), "/b"), f"visits at \u2066{SHOES}\u2069 go on to /b: 20"),
        (("variant", "أ", "/a", "/b", "ب"), ", for \u2068visits with variant ب\u2069 it still is 50 %."),
        (("variant", "أ", "/a", "/b"), "visits with variant \u2068أ\u2069 at /a"),
    ],
)
def test_sentence_has_the_names_of_the_report(step: tuple[str, str, str, str], expected: str) -> None:
    assert expected in changed(*step)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (
            "Most of the additional visits are visits with channel organic_social.",
            "Most of the additional visits are visits with channel organic social.",
        ),
        (
            "Most of the additional visits are visits with utm_source organic_social.",
            "Most of the additional visits are visits with utm_source organic_social.",
        ),
        ("It follows from channel=paid_search: /a > /b.", "It follows from channel=paid search: /a > /b."),
    ],
)
def test_channels_that_the_row_does_not_have_are_words(sentence: str, expected: str) -> None:
    row = {"dimension": "all", "dimension_value": "all", "outcome": "(converted)", "sentence": sentence}
    assert names.sentence(row) == expected


def test_sentence_about_sessions_is_about_visits() -> None:
    text = "Sessions that also had the event Sessions before / (12) converted more often afterwards: 1 %."
    row = {"seen_action": "Sessions", "at_action": "/", "sentence": text}
    assert names.sentence(row) == (
        "Visits that also had the event Sessions before the home page (12) converted more often afterwards: 1\u202f%."
    )


def test_long_sentence_takes_time_in_proportion_to_its_length() -> None:
    """A campaign can have any name, also one that repeats the words of a sentence thousands of times."""
    value = ", for x it still is" * 5_000
    row = {"dimension": "utm_campaign", "dimension_value": "a", "sentence": f"Fewer visits{', for x' * 30_000}."}
    assert names.sentence(row) == row["sentence"]
    row["sentence"] = f"Fewer visits, for visits with utm_campaign {value}أ it still is 50 %."
    assert names.sentence(row) == (
        f"Fewer visits, for \u2068visits with campaign {value}أ\u2069 it still is 50\u202f%."
    )


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("/", ("home page", "/", "")),
        ("/my_page", ("/my_page", "page", "")),
        ("add_to_cart", ("add to cart", "action", "")),
        ("(more)", ("more actions", "", "")),
        ("(other event)", ("another action", "", "")),
        (quote(SHOES), (SHOES, "page", "")),
        (f"{LONG}a", (f"{LONG[:30]}…{LONG[-28:]}a", "page", f"{LONG}a")),
    ],
)
def test_label_of_an_action(action: str, expected: tuple[str, str, str]) -> None:
    assert names.label(action) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/caf%C3%A9/a%20b", "/café/a b"),
        ("/a%2Fb%3Fc%25", "/a%2Fb%3Fc%25"),
        ("/%E9t%E9", "/%E9t%E9"),
        ("/%E2%80%AE/%00", "/%E2%80%AE/%00"),
        ("/%D9%85%DB%8C%E2%80%8C%D8%B4%D9%88%D8%AF", "/می\u200cشود"),
        ("/100%", "/100%"),
    ],
)
def test_path_is_decoded_unless_that_is_no_text_or_changes_it(path: str, expected: str) -> None:
    assert formats.decoded(path) == expected


def test_path_breaks_before_a_slash() -> None:
    assert breakable("/a<b/c/") == "/a&lt;b<wbr>/c<wbr>/"
    assert breakable("add to cart") == "add to cart"


def test_characters_that_reorder_a_sentence_are_removed() -> None:
    assert formats.isolated("\u2069\u202eshop") == "shop"


def listed(page: Page) -> list[str]:
    """Return the names under "Long names"."""
    return [unescape(name) for name in re.findall('<li><bdi(?: dir="ltr")?>(.*?)</bdi></li>', page.html)]


def test_long_names_are_listed_in_full_where_the_page_shortens_them(reported_week: Deployment, tmp_path: Path) -> None:
    """A phone and a print have no tooltips."""
    page, campaign, never_shown = f"{LONG}<b>", "campaign " * 9, f"{LONG}never"
    rows: dict[str, list[dict[str, Any]]] = {
        "action_friction": [
            {"site": "main", "action": page, "session_count": 50, "hard_time_count": 9},
            {"site": "main", "action": never_shown, "session_count": 50, "hard_time_count": 0},
        ],
        "progress_changes": [
            STEP
            | {"action": f"/{'x' * 400}", "dimension": "utm_campaign", "dimension_value": campaign}
            | {"sentence": f"Visits with utm_campaign {campaign} at /{'x' * 400} go."}
        ],
    }
    found = page_with(reported_week, tmp_path, rows)
    assert listed(found) == [page, formats.shortened(f"/{'x' * 400}", 300), campaign]
    assert '<a href="#names">Long names</a>' in found.html


def test_page_without_long_names_has_no_list_of_them(reported_week: Deployment, tmp_path: Path) -> None:
    assert "#names" not in page_with(reported_week, tmp_path, {}).html


@pytest.mark.long
def test_list_of_long_names_is_small_and_counts_the_others(reported_week: Deployment, tmp_path: Path) -> None:
    value = {"site": "main", "session_count": 10, "bounce_count": 0, "new_session_count": 0, "converted_count": 1}
    names = [f"{number:02} {'长' * 290}" for number in range(60)]
    rows = [value | {"dimension": f"own_{n % 10}", "dimension_value": name} for n, name in enumerate(names)]
    page = page_with(reported_week, tmp_path, {"daily_breakdowns": rows})
    assert listed(page) == names[:45]
    assert "15 more names would make this page too large." in page.text
    assert len(page.html.encode()) < 400_000


@pytest.mark.long
def test_page_shows_names_as_they_are_and_lists_long_ones(tmp_path: Path) -> None:
    visits = Visits()
    fields: dict[str, Any] = {"utm_campaign": "spring_sale"}
    visits.add(LAST, 3, [f"{quote(SHOES)}", f"{LONG}a"], **fields)
    visits.add(LAST, 3, [f"{LONG}b", "error"], page_url="https://shop.example/my_page")
    visits.add(LAST, 3, ["/my_page", "error"], page_url="https://shop.example/my_page")
    deployment = Deployment(tmp_path)
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    page = written(deployment)
    assert page.row("spring_sale")[1] == "3"
    assert page.row(SHOES)[1]
    assert f'<bdi dir="ltr">{breakable(SHOES)}</bdi>' in page.html, "its first slash is at the left"
    assert page.html.count('<bdi dir="ltr"><a href="#names">/articles') > 1
    assert listed(page) == [f"{LONG}a"]
    assert "At /my_page, " in page.text
