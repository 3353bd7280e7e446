"""Tests what lines of Vercel's Web Analytics drains become: their names, values, visitors and pages."""

from decimal import Decimal

import pytest

from session_pipeline_tests.ingesting import Ingest
from session_pipeline_tests.preset_lines import Line, events

LINE: Line = {
    "schema": "vercel.analytics.v1", "eventType": "event", "eventName": "Purchase", "timestamp": 1714979289123,
    "deviceId": 67890, "sessionId": 12345, "origin": "https://shop.example", "path": "/thanks",
}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "value"),
    [('{"revenue":9.5,"total":12}', "9.5"), ('{"total":"12"}', "12"), ('{"value":"free"}', None), ("no JSON", None)],
)
def test_value_is_the_first_number_in_the_data_of_an_event(ingest: Ingest, data: str, value: str | None) -> None:
    [row] = events(ingest, "vercel", {**LINE, "eventData": data})
    assert row["value"] == (value and Decimal(value))
    assert (row["event_name"], row["visitor_id"], row["client_session_id"]) == ("purchase", "67890", "12345")


def test_page_has_its_query_once(ingest: Ingest) -> None:
    line = {**LINE, "eventType": "pageview", "eventName": None}
    queries = [{"queryParams": "utm_source=a"}, {"queryParams": "?utm_source=a"}, {"path": "/thanks?utm_source=a"}]
    rows = events(ingest, "vercel", *({**line, **query} for query in queries), line)
    assert [row["utm_source"] for row in rows] == ["a", "a", "a", None]
    assert {row["page_url"] for row in rows[:3]} == {"https://shop.example/thanks?utm_source=a"}
    assert [row["properties"] for row in rows] == [rows[3]["properties"]] * 4  # without the query
