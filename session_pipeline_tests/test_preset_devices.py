"""Tests the devices of tools whose exports have a device and no user agent."""

from typing import Any

import pytest

from session_pipeline.reference.user_agents import classify
from session_pipeline_tests.ingesting import Ingest
from session_pipeline_tests.preset_lines import Line, events

GA4: Line = {
    "event_timestamp": "1777885200000000", "event_name": "page_view", "event_params": [], "user_pseudo_id": "1.2",
}  # fmt: skip
MATOMO: Line = {
    "idVisit": "1", "visitorId": "a", "type": "action", "timestamp": 1777885200, "url": "https://shop.example/",
    "browserName": "Firefox", "operatingSystemName": "GNU/Linux",
}  # fmt: skip
PLAUSIBLE: Line = {
    "timestamp": "2026-05-04 09:00:00", "name": "pageview", "user_id": "8", "hostname": "shop.example", "pathname": "/",
    "operating_system": "Mac", "browser": "Safari",
}  # fmt: skip
UMAMI: Line = {
    "session_id": "5c93", "created_at": "2026-05-04 09:00:00", "event_type": "1", "url_path": "/", "browser": "ios",
    "os": "iOS",
}  # fmt: skip
METRICA: Line = {
    "ym:pv:clientID": "17", "ym:pv:dateTime": "2026-05-04 09:00:00", "ym:pv:URL": "https://shop.example/",
    "ym:pv:isPageView": "1", "ym:pv:browser": "firefox", "ym:pv:operatingSystemRoot": "windows",
}  # fmt: skip
DEVICES: list[tuple[str, Line, dict[str, str]]] = [
    ("matomo", MATOMO, {"Desktop": "desktop", "Smartphone": "mobile", "Phablet": "mobile", "Tablet": "tablet",
                        "Feature phone": "mobile", "TV": "tv", "Car browser": "other"}),
    ("plausible", PLAUSIBLE, {"Desktop": "desktop", "Laptop": "desktop", "Mobile": "mobile", "Tablet": "tablet",
                              "Watch": "other"}),
    ("umami", UMAMI, {"desktop": "desktop", "laptop": "desktop", "mobile": "mobile", "tablet": "tablet"}),
    ("yandex_metrica", METRICA, {"1": "desktop", "2": "mobile", "3": "tablet", "4": "tv"}),
]  # fmt: skip
FIELDS = {
    "matomo": "deviceType", "plausible": "screen_size", "umami": "device", "yandex_metrica": "ym:pv:deviceCategory"
}  # fmt: skip


def agents(ingest: Ingest, preset: str, *lines: Line) -> list[tuple[Any, ...] | None]:
    """Return the browser, system and device of the event of each line; None without a user agent."""
    texts = [row["user_agent"] for row in events(ingest, preset, *lines)]
    found = {row["user_agent"]: row for row in classify(texts).to_pylist()}
    assert not any(row["is_bot"] for row in found.values())
    return [text and (found[text]["browser"], found[text]["os"], found[text]["device"]) for text in texts]


def test_device_of_ga4(ingest: Ingest) -> None:
    categories = ("desktop", "mobile", "tablet", "smart tv", "wearable")
    web = {"operating_system": "Linux", "web_info": {"browser": "Firefox"}}
    lines = [{**GA4, "device": {"category": category, **web}} for category in categories]
    app = {**GA4, "device": {"category": "mobile", "operating_system": "ANDROID", "web_info": None}}
    older = {**GA4, "device": {"category": "desktop", "operating_system": "Windows", "browser": "Chrome"}}
    nothing = [{**GA4, "device": device} for device in ({"category": ""}, {}, None)]
    assert agents(ingest, "ga4", *lines, app, older, *nothing, GA4) == [
        *(("Firefox", "Linux", kind) for kind in ("desktop", "mobile", "tablet", "tv", "other")),
        ("Other", "ANDROID", "mobile"),
        ("Chrome", "Windows", "desktop"),
        *[None] * 4,
    ]


@pytest.mark.parametrize(("preset", "line", "kinds"), DEVICES, ids=[preset for preset, *_ in DEVICES])
def test_device_of_other_tools(ingest: Ingest, preset: str, line: Line, kinds: dict[str, str]) -> None:
    lines = [{**line, FIELDS[preset]: value} for value in kinds]
    found = agents(ingest, preset, *lines, line, {**line, FIELDS[preset]: ""})
    assert [agent and agent[2] for agent in found] == [*kinds.values(), None, None]
    named = {"matomo": ("Firefox", "GNU/Linux"), "plausible": ("Safari", "Mac"), "umami": ("ios", "iOS"),
             "yandex_metrica": ("firefox", "windows")}  # fmt: skip
    assert {agent[:2] for agent in found if agent} == {named[preset]}


def test_icon_says_the_device_of_matomo_in_any_language(ingest: Ingest) -> None:
    icon = "plugins/Morpheus/icons/dist/devices/feature_phone.png"
    line = {**MATOMO, "deviceType": "Einfaches Handy", "deviceTypeIcon": icon}
    assert agents(ingest, "matomo", line) == [("Firefox", "GNU/Linux", "mobile")]


def test_user_agent_of_its_own_comes_first(ingest: Ingest) -> None:
    line = {**MATOMO, "deviceType": "Desktop", "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)"}
    [(_, system, device)] = agents(ingest, "matomo", line)
    assert (system, device) == ("iOS", "mobile")
