"""Tests the pages and referrers that presets read, and that no URL is left in the properties with its query."""

import json
from typing import Any

import pytest

from session_pipeline_tests.ingesting import Ingest
from session_pipeline_tests.preset_lines import events

HOUR = "2024-05-06T10:00:00Z"
URL = "https://shop.example/a?token=secret&utm_source=news"
PAGE = {"url": URL, "referrer": "https://other.example/?token=secret", "search": "?token=secret", "title": "A"}
Line = dict[str, Any]
# A page view of each preset whose events have URLs in several fields
VIEWS: dict[str, Line] = {
    "segment": {"type": "page", "anonymousId": "a", "timestamp": HOUR, "properties": PAGE,
                "context": {"page": PAGE, "referrer": {"type": "ads", "id": "secret", "url": URL, "link": URL}}},
    "rudderstack": {"type": "page", "anonymousId": "a", "timestamp": HOUR, "context": {"page": PAGE}},
    "posthog": {"event": "$pageview", "distinct_id": "a", "timestamp": HOUR,
                "elements_chain": f'a:attr__href="{URL}"', "elements": [{"attr__href": URL}],
                "properties": {"$current_url": URL, "$referrer": URL, "$session_entry_url": URL, "gclid": "secret",
                               "$external_click_url": URL, "$elements": [{"attr__href": URL}],
                               "$session_entry_fbclid": "secret", "$set": {"$current_url": URL, "gclid": "secret"},
                               "$set_once": {"$initial_current_url": URL, "$initial_gclid": "secret"}}},
    "mixpanel": {"event": "Page View", "properties": {"distinct_id": "a", "time": 1714989600, "current_url_search":
                 "?token=secret", "$current_url": URL, "$referrer": URL, "$initial_referrer": URL,
                 "$el_attr__href": URL, "$attr-href": URL, "$elements": [{"$attr-href": URL}], "gclid": "secret"}},
    "amplitude": {"device_id": "a", "event_time": "2024-05-06 10:00:00", "event_type": "[Amplitude] Page Viewed",
                  "event_properties": {"[Amplitude] Page URL": URL, "referrer": URL, "gclid": "secret",
                                       "[Amplitude] Element Href": URL, "[Amplitude] Form Destination": URL},
                  "user_properties": {"gclid": "secret", "initial_gclid": "secret", "initial_referrer": URL}},
    "ga4": {"user_pseudo_id": "a", "event_timestamp": "1714989600000000", "event_name": "click",
            "event_params": [{"key": name, "value": {"string_value": URL}} for name in
                             ("page_location", "page_referrer", "link_url", "form_destination", "video_url", "gclid")],
            "collected_traffic_source": {"manual_source": "news", "gclid": "secret"}},
    "shopify": {"name": "clicked", "id": "e", "clientId": "a", "timestamp": HOUR,
                "context": {"document": {"location": {"href": URL, "search": "?token=secret"}}},
                "data": {"element": {"id": None, "href": URL, "action": URL}}},
    "matomo": {"visitorId": "a", "timestamp": 1714989600, "type": "action", "url": URL},
}  # fmt: skip
SCREENS: dict[str, Line] = {
    "segment": {"type": "screen", "name": "", "properties": {"name": "Settings"}},
    "rudderstack": {"type": "screen", "name": "", "properties": {"name": "Settings"}},
}


@pytest.mark.parametrize("name", VIEWS)
def test_no_query_is_left_in_properties(ingest: Ingest, name: str) -> None:
    [event] = events(ingest, name, VIEWS[name])
    assert event["page_url"] == "https://shop.example/a?utm_source=news"
    assert "secret" not in str(event)


@pytest.mark.parametrize("name", ["ga4", "shopify"])
def test_element_of_a_link_without_an_id_is_its_target(ingest: Ingest, name: str) -> None:
    [event] = events(ingest, name, VIEWS[name])
    assert event["element"] == "https://shop.example/a"


@pytest.mark.parametrize("name", SCREENS)
def test_screen_without_a_name_has_that_of_its_properties(ingest: Ingest, name: str) -> None:
    screen = {"anonymousId": "a", "timestamp": HOUR, **SCREENS[name]}
    rows = events(ingest, name, screen, {**screen, "properties": {}})
    assert [row["page_path"] for row in rows] == ["/Settings", None]


@pytest.mark.parametrize("name", ["segment", "rudderstack"])
def test_direct_is_no_referrer(ingest: Ingest, name: str) -> None:
    page = {"url": URL, "referrer": "$direct"}
    [event] = events(ingest, name, {**VIEWS[name], "context": {"page": page}, "properties": page})
    assert event["referrer"] is None


def test_target_of_an_outlink_of_matomo_is_no_page(ingest: Ingest) -> None:
    [event] = events(
        ingest, "matomo", {**VIEWS["matomo"], "type": "outlink", "url": "https://other.example/b?token=secret"}
    )
    assert (event["page_url"], event["element"]) == (None, "https://other.example/b")
    assert "secret" not in json.dumps(event, default=str)
