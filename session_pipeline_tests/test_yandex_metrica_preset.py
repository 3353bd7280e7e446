"""Tests what events of the Logs API of Yandex Metrica become: their names, times, visitors and values with escapes."""

from dataclasses import replace

import pytest

from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.settings import parse_settings
from session_pipeline_tests.ingesting import KEY, Ingest, Taken

NAMES = ("watchID", "visitID", "clientID", "dateTime", "title", "URL", "isPageView", "link", "download", "httpError",
         "goalsID")  # fmt: skip
ROW = {"watchID": "7731904418200007919", "visitID": "12", "clientID": "1714813200482913765",
       "dateTime": "2026-05-04 09:00:00", "title": "A", "URL": "https://shop.example/?utm_source=a", "isPageView": "0",
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


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"isPageView": "1", "goalsID": "[303]"}, "page_view"),
        ({"download": "1", "link": "1"}, "file_download"),
        ({"link": "1"}, "click"),
        ({"goalsID": "[303,304]"}, "purchase"),
        ({"goalsID": "[304, 303]"}, "goal_304"),
        ({"goalsID": ""}, "request"),
        ({}, "request"),
    ],
)
def test_kind_of_an_event_or_its_first_goal_is_its_name(ingest: Ingest, fields: dict[str, str], name: str) -> None:
    assert taken(ingest, fields).column("event_name") == [name]


def test_columns_of_a_page_view(ingest: Ingest) -> None:
    [row] = taken(ingest, {"isPageView": "1", "httpError": "404", "title": "a\\tb \\'c\\' \\\\ d"}).events
    assert (row["event_id"], row["visitor_id"]) == (ROW["watchID"], ROW["clientID"])
    assert (row["client_session_id"], row["utm_source"]) == ("12", "a")
    assert str(row["event_time"]) == "2026-05-04 07:00:00"
    assert (row["page_title"], row["status_code"]) == ("a\tb 'c' \\ d", 404)
