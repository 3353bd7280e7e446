"""Tests what events of the Logs API of Yandex Metrica become: their names, times, visitors and values with escapes."""

from dataclasses import replace

import pytest

from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.settings import parse_settings
from session_pipeline_tests.ingesting import KEY, Ingest, Taken

NAMES = ("watchID", "visitID", "clientID", "counterUserIDHash", "dateTime", "title", "URL", "referer", "isPageView",
         "link", "download", "httpError", "goalsID")  # fmt: skip
ROW = {"watchID": "7731904418200007919", "visitID": "12", "clientID": "1714813200482913765",
       "counterUserIDHash": "8", "dateTime": "2026-05-04 09:00:00", "title": "A",
       "URL": "https://shop.example/?utm_source=a", "referer": "", "isPageView": "0",
       "link": "0", "download": "0", "httpError": "0", "goalsID": "[]"}  # fmt: skip
SETTINGS = """
[sources.web]
preset = "yandex_metrica"
timezone = "Europe/Berlin"
event_names = { goal_303 = "purchase" }
"""
RULES = replace(rules_of(parse_settings(SETTINGS), "web", KEY), format="tsv")


def taken(ingest: Ingest, *rows: dict[str, str]) -> Taken:
    lines = [[f"ym:pv:{name}" for name in NAMES], *([{**ROW, **row}[name] for name in NAMES] for row in rows)]
    found = ingest.take("\n".join(map("\t".join, lines)), "hits.tsv", RULES)
    assert found.quarantined == []
    return found


def test_kind_of_an_event_or_its_first_goal_is_its_name(ingest: Ingest) -> None:
    names = [
        ({"isPageView": "1", "goalsID": "[303]"}, "page_view"),
        ({"download": "1", "link": "1"}, "file_download"),
        ({"link": "1"}, "click"),
        ({"goalsID": "[303,304]"}, "purchase"),
        ({"goalsID": "[304, 303]"}, "goal_304"),
        ({"goalsID": ""}, "request"),
        ({}, "request"),
    ]
    found = taken(ingest, *(fields for fields, _ in names))
    assert found.column("event_name") == [name for _, name in names]


def test_columns_of_a_page_view(ingest: Ingest) -> None:
    [row] = taken(ingest, {"isPageView": "1", "httpError": "404", "title": "a\\tb \\'c\\' \\\\ d"}).events
    assert (row["event_id"], row["visitor_id"]) == (ROW["watchID"], ROW["clientID"])
    assert (row["client_session_id"], row["utm_source"]) == ("12", "a")
    assert str(row["event_time"]) == "2026-05-04 07:00:00"
    assert (row["page_title"], row["status_code"]) == ("a\tb 'c' \\ d", 404)


@pytest.mark.parametrize(
    ("fields", "element"),
    [
        ({"URL": "goal://shop.example/order", "goalsID": "[303]"}, None),
        ({"URL": "goal://shop.example/order"}, None),
        ({"URL": "https://other.example/a?secret=1#b", "link": "1"}, "https://other.example/a"),
        ({"URL": "https://shop.example/list.pdf?secret=1", "download": "1"}, "https://shop.example/list.pdf"),
    ],
)
def test_page_of_a_goal_or_link_is_where_it_was_reached(ingest: Ingest, fields: dict[str, str], element: str) -> None:
    """The tag sends the target as URL, and the page as referer."""
    [row] = taken(ingest, {"referer": "https://shop.example/cart?secret=1", **fields}).events
    assert (row["page_url"], row["referrer"], row["element"]) == ("https://shop.example/cart", None, element)
    assert "secret" not in row["properties"]


@pytest.mark.parametrize("is_page_view", ["0", "1"])
def test_url_of_a_page_is_that_page(ingest: Ingest, is_page_view: str) -> None:
    [row] = taken(ingest, {"isPageView": is_page_view, "referer": "https://www.google.com/"}).events
    assert (row["page_url"], row["referrer"]) == ("https://shop.example/?utm_source=a", "https://www.google.com/")
    assert row["element"] is None


def test_number_0_is_no_id(ingest: Ingest) -> None:
    [row] = taken(ingest, {"clientID": "0", "visitID": "0"}).events
    assert (row["visitor_id"], row["client_session_id"]) == ("8", None)
    assert "clientID" not in row["properties"]
    assert "counterUserIDHash" not in row["properties"]
    assert "visitID" not in row["properties"]
