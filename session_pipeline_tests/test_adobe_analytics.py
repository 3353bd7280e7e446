"""Tests what hits of a data feed of Adobe Analytics become, by the columns that its documentation defines."""

from datetime import datetime
from typing import Any

from session_pipeline.settings import parse_settings
from session_pipeline.trial.try_file import try_file
from session_pipeline_tests.ingesting import Ingest, Row, Taken
from session_pipeline_tests.preset_lines import taken
from session_pipeline_tests.presets.reading import EXAMPLES

HIT = {
    "post_visid_high": "3210987654321098765", "post_visid_low": "4567890123456789012", "hit_time_gmt": "1777885200",
    "exclude_hit": "0", "hit_source": "1", "hitid_high": "1", "hitid_low": "2", "post_page_event": "0",
    "post_page_url": "https://shop.example/", "post_pagename": "home", "duplicate_purchase": "0", "visit_num": "3",
    "visit_start_time_gmt": "1777885100", "currency": "USD", "userid": "1000", "date_time": "2026-05-04 11:00:00",
    "ip": "192.0.2.7", "visit_referrer": "https://mail.example/?token=secret",
}  # fmt: skip


def hits(ingest: Ingest, *changes: dict[str, Any]) -> Taken:
    return taken(ingest, "adobe_analytics", *({**HIT, **change} for change in changes))


def hit(ingest: Ingest, **fields: Any) -> Row:
    found = hits(ingest, fields)
    assert found.quarantined == []
    return found.events[0]


def test_visitor_and_visit_are_those_of_the_metrics(ingest: Ingest) -> None:
    event = hit(ingest)
    assert event["visitor_id"] == "3210987654321098765-4567890123456789012"
    assert event["client_session_id"] == "3-1777885100"
    assert (event["event_id"], event["user_id"]) == ("1-2", None)


def test_parts_of_ids_are_not_run_together(ingest: Ingest) -> None:
    pairs = [("1", "12"), ("11", "2")]
    found = hits(ingest, *({"post_visid_high": high, "post_visid_low": low} for high, low in pairs))
    assert len({event["visitor_id"] for event in found.events}) == 2


def test_hits_that_no_metric_counts_are_quarantined(ingest: Ingest) -> None:
    fields: list[dict[str, Any]] = [
        {"exclude_hit": "1"}, {"exclude_hit": "11"}, {"hit_source": "5"}, {"hit_source": "7"}, {"hit_source": "8"},
        {"hit_source": "9"}, {"post_visid_high": "0", "post_visid_low": "0"}, {"post_visid_low": None},
    ]  # fmt: skip
    assert hits(ingest, *fields).reasons == dict.fromkeys(range(1, len(fields) + 1), "missing_visitor_id")


def test_time_is_that_of_the_hit_in_utc(ingest: Ingest) -> None:
    nine = datetime(2026, 5, 4, 9)
    assert hit(ingest)["event_time"] == nine
    assert hit(ingest, post_cust_hit_time_gmt="0", cust_hit_time_gmt="0")["event_time"] == nine
    late = hit(ingest, post_cust_hit_time_gmt="1777881600")
    assert (late["event_time"], late["received_at"]) == (datetime(2026, 5, 4, 8), nine)


def test_name_is_that_of_the_kind_of_hit(ingest: Ingest) -> None:
    names: list[tuple[dict[str, Any], str]] = [
        ({"post_event_list": "1,200=3"}, "purchase"),
        ({"post_event_list": "100,1"}, "purchase"),
        ({"post_event_list": "1:A7,200"}, "purchase"),
        ({"post_event_list": "1,200", "duplicate_purchase": "1"}, "page_view"),
        ({"post_event_list": "100,11,201=1"}, "page_view"),
        ({"post_page_event": None}, "page_view"),
        ({"post_page_event": "100", "post_page_event_var2": "Size guide"}, "Size guide"),
        ({"post_page_event": "100"}, "click"),
        ({"post_page_event": "101", "post_page_event_var2": "PDF"}, "click"),
        ({"post_page_event": "102"}, "click"),
        ({"post_page_event": "53"}, "request"),
        ({"post_page_event": "80"}, "request"),
    ]
    found = hits(ingest, *(fields for fields, _ in names))
    assert found.quarantined == []
    assert found.column("event_name") == [name for _, name in names]


def test_tracked_link_is_an_element_without_its_query(ingest: Ingest) -> None:
    link = {"post_page_event": "102", "post_page_event_var1": "https://partner.example/a?mail=x"}
    assert hit(ingest, **link)["element"] == "https://partner.example/a"
    assert hit(ingest, **link, post_page_event_var2="Partner")["element"] == "Partner"


def test_page_without_a_url_has_its_name(ingest: Ingest) -> None:
    assert hit(ingest, post_page_url=None)["page_path"] == "/home"
    assert hit(ingest, post_page_url=None, page_url="https://shop.example/a")["page_path"] == "/a"
    assert hit(ingest, post_page_url=None, post_page_event="100")["page_url"] is None


def test_fields_that_mean_something_else_are_not_read(ingest: Ingest) -> None:
    event = hit(ingest, post_event_list="1", post_product_list=";Lamp;1;29.90,;Shade;2;20.00")
    assert (event["currency"], event["value"]) == (None, None)
    assert '"currency":"USD"' in event["properties"]
    assert not [secret for secret in ("192.0.2.7", "secret") if secret in event["properties"]]


def test_no_field_is_suggested_for_columns_that_have_none() -> None:
    [example] = (EXAMPLES / "adobe_analytics").iterdir()
    assert not try_file(example, folder=None, source="web", has_sessions=False).suggested


def test_own_event_rules_come_first() -> None:
    rule = {"name": "add_to_cart", "where": "regexp_matches(line ->> 'post_event_list', '(^|,)12([=:,]|$)')"}
    text = f"""
        [sources.web]
        preset = "adobe_analytics"
        events = [{{ name = "{rule["name"]}", where = "{rule["where"]}" }}]
    """
    [first, *_] = parse_settings(text).source("web").events
    assert (first.name, first.where) == (rule["name"], rule["where"])
