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
VERCEL: Line = {
    "schema": "vercel.analytics.v1", "eventType": "pageview", "timestamp": 1777885200000, "sessionId": 3, "deviceId": 7,
    "origin": "https://shop.example", "path": "/", "clientName": "Chrome", "osName": "Android",
}  # fmt: skip
POSTHOG: Line = {"uuid": "1", "event": "$screen", "distinct_id": "a", "timestamp": "2026-05-04 09:00:00+00:00"}
MIXPANEL: Line = {"event": "$mp_web_page_view"}
AMPLITUDE: Line = {
    "uuid": "1", "amplitude_id": 1, "device_id": "a", "event_type": "Page Viewed",
    "event_time": "2026-05-04 09:00:00.000000", "event_properties": {},
}  # fmt: skip
DEVICES: list[tuple[str, Line, dict[str, str]]] = [
    ("matomo", MATOMO, {"Desktop": "desktop", "Smartphone": "mobile", "Phablet": "mobile", "Tablet": "tablet",
                        "Feature phone": "mobile", "TV": "tv", "Car browser": "other"}),
    ("plausible", PLAUSIBLE, {"Desktop": "desktop", "Laptop": "desktop", "Mobile": "mobile", "Tablet": "tablet",
                              "Watch": "other"}),
    ("umami", UMAMI, {"desktop": "desktop", "laptop": "desktop", "mobile": "mobile", "tablet": "tablet"}),
    ("vercel", VERCEL, {"desktop": "desktop", "mobile": "mobile", "smartphone": "mobile", "tablet": "tablet",
                        "smarttv": "tv", "wearable": "other"}),
    ("yandex_metrica", METRICA, {"1": "desktop", "2": "mobile", "3": "tablet", "4": "tv"}),
]  # fmt: skip
FIELDS = {
    "matomo": "deviceType", "plausible": "screen_size", "umami": "device", "vercel": "deviceType",
    "yandex_metrica": "ym:pv:deviceCategory",
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
             "vercel": ("Chrome", "Android"), "yandex_metrica": ("firefox", "windows")}  # fmt: skip
    assert {agent[:2] for agent in found if agent} == {named[preset]}


def test_icon_says_the_device_of_matomo_in_any_language(ingest: Ingest) -> None:
    icon = "plugins/Morpheus/icons/dist/devices/feature_phone.png"
    line = {**MATOMO, "deviceType": "Einfaches Handy", "deviceTypeIcon": icon}
    assert agents(ingest, "matomo", line) == [("Firefox", "GNU/Linux", "mobile")]


def test_user_agent_of_its_own_comes_first(ingest: Ingest) -> None:
    line = {**MATOMO, "deviceType": "Desktop", "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)"}
    [(_, system, device)] = agents(ingest, "matomo", line)
    assert (system, device) == ("iOS", "mobile")


def test_device_of_apps_in_posthog(ingest: Ingest) -> None:
    sent = {
        "$browser": "Firefox",
        "$os": "Linux",
        "$raw_user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)",
    }
    properties = (
        {"$device_type": "Mobile", "$os": "", "$os_name": "iOS"},
        {"$device_type": "Tablet", "$os": "Android"},
        {"$device_type": "Desktop", "$os": "Windows", "$browser": "Chrome"},
        {"$device_type": "TV"},
        {"$device_type": "Wearable"},
        {"$os": "Linux"},  # an event of a server
    )
    lines = [{**POSTHOG, "properties": each} for each in (*properties, {"$device_type": "Desktop", **sent})]
    *found, own = agents(ingest, "posthog", *lines)
    assert found == [
        ("Other", "iOS", "mobile"),
        ("Other", "Android", "tablet"),
        ("Chrome", "Windows", "desktop"),
        ("Other", "Other", "tv"),
        ("Other", "Other", "other"),
        None,
    ]
    assert own
    assert own[1:] == ("iOS", "mobile")


def test_device_of_mixpanel(ingest: Ingest) -> None:
    told: tuple[tuple[dict[str, str], tuple[str, str, str] | None], ...] = (
        ({"$os": "Windows", "$browser": "Chrome"}, ("Chrome", "Windows", "desktop")),
        ({"$os": "Mac OS X", "$browser": "Safari"}, ("Safari", "Mac OS X", "desktop")),
        ({"$os": "iOS", "$browser": "Mobile Safari", "$device": "iPhone"}, ("Mobile Safari", "iOS", "mobile")),
        ({"$os": "iOS", "$browser": "Mobile Safari", "$device": "iPad"}, ("Mobile Safari", "iOS", "tablet")),
        ({"$os": "Android", "$browser": "Chrome", "$device": "Android"}, ("Chrome", "Android", "mobile")),
        ({"$os": "iPadOS", "$model": "iPad13,1"}, ("Other", "iPadOS", "tablet")),
        ({"$os": "tvOS"}, ("Other", "tvOS", "tv")),
        ({"$os": "watchOS"}, ("Other", "watchOS", "other")),
        ({"$os": ""}, None),
        ({}, None),
    )
    base = {"time": 1777885200, "distinct_id": "a", "$current_url": "https://shop.example/"}
    lines = [{**MIXPANEL, "properties": {**base, **sent}} for sent, _ in told]
    assert agents(ingest, "mixpanel", *lines) == [expected for _, expected in told]


def test_device_of_amplitude(ingest: Ingest) -> None:
    told: tuple[tuple[str, str | None, str | None, str | None, tuple[str, str, str] | None], ...] = (
        # platform, os_name, device_family, device_type
        ("Web", "Chrome", "Windows", "Windows", ("Chrome", "Windows", "desktop")),
        ("Web", "Safari", "Mac OS", "Mac OS", ("Safari", "Mac OS", "desktop")),
        ("Web", "Firefox", None, "Linux", ("Firefox", "Linux", "desktop")),
        ("Web", "Mac OS X", "Mac", "Mac", ("Other", "Mac", "desktop")),  # events that Segment passes on
        ("Web", "Mobile Safari", "Apple iPhone", "Apple iPhone 12", ("Mobile Safari", "iOS", "mobile")),
        ("Web", "Mobile Safari", "Apple iPad", "Apple iPad", ("Mobile Safari", "iOS", "tablet")),
        ("Web", "Chrome Mobile", "Android", "Android", ("Chrome Mobile", "Android", "mobile")),
        ("Web", "Samsung Browser", "Samsung Phone", "Samsung Galaxy S21", ("Samsung Browser", "Other", "mobile")),
        ("Web", "Chrome", None, "Galaxy Tab S6", ("Chrome", "Other", "tablet")),
        ("Web", "Chrome", "", "SM-G991B", ("Chrome", "Other", "other")),
        ("iOS", "ios", "Apple iPhone", "Apple iPhone 12", ("Other", "iOS", "mobile")),
        ("iOS", "ipados", "Apple iPad", "Apple iPad Pro", ("Other", "iOS", "tablet")),
        ("Android", "android", None, None, ("Other", "Android", "mobile")),
        ("Web", "Chrome", None, "", None),
        ("", None, None, None, None),
    )
    lines = [
        {**AMPLITUDE, "platform": platform, "os_name": name, "device_family": family, "device_type": kind}
        for platform, name, family, kind, _ in told
    ]
    assert agents(ingest, "amplitude", *lines, AMPLITUDE) == [*(expected for *_, expected in told), None]


@pytest.mark.parametrize("preset", ["segment", "rudderstack"])
def test_device_of_apps_that_send_no_user_agent(ingest: Ingest, preset: str) -> None:
    told: tuple[tuple[dict[str, str], dict[str, str], tuple[str, str, str] | None], ...] = (
        ({"type": "ios", "model": "iPhone14,5"}, {"name": "iOS"}, ("Other", "iOS", "mobile")),
        ({"type": "iOS", "model": "iPad13,1"}, {"name": "iPadOS"}, ("Other", "iPadOS", "tablet")),
        ({"type": "ios", "model": "iPad"}, {"name": "iOS"}, ("Other", "iOS", "tablet")),
        ({"type": "Android", "model": "Pixel 8"}, {"name": "Android"}, ("Other", "Android", "mobile")),
        ({"type": "android"}, {"name": ""}, ("Other", "android", "mobile")),
        ({"type": "tvos"}, {"name": "tvOS"}, ("Other", "tvOS", "tv")),
        ({"type": "macos"}, {"name": "macOS"}, ("Other", "macOS", "desktop")),
        ({"type": "watchos"}, {}, ("Other", "watchos", "other")),
        ({"type": ""}, {"name": "Linux"}, None),
        ({}, {"name": "Linux"}, None),  # an event of a server
    )
    base = {
        "messageId": "1", "type": "track", "event": "Product Added", "anonymousId": "a", "rudderId": "b",
        "originalTimestamp": "2026-05-04T09:00:00.000Z", "timestamp": "2026-05-04T09:00:00.000Z",
    }  # fmt: skip
    lines = [{**base, "context": {"device": device, "os": system}} for device, system, _ in told]
    own = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)"
    lines.append({**base, "context": {"device": {"type": "android"}, "os": {}, "userAgent": own}})
    *found, sent = agents(ingest, preset, *lines)
    assert found == [expected for *_, expected in told]
    assert sent
    assert sent[1:] == ("iOS", "mobile")
