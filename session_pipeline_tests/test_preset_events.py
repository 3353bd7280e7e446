"""Tests what lines of the exports of tools become: which are the same event, and their names, values and visitors."""

import json

import pytest

from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.settings import parse_settings
from session_pipeline_tests.ingesting import KEY, Ingest, Row
from session_pipeline_tests.preset_lines import Line, events, preset, taken


def identities(rows: list[Row]) -> set[tuple[str, str]]:
    """Return the different events among rows of one site."""
    return {(row["visitor_id"], row["event_id"]) for row in rows}


# Matomo

ACTIONS: list[Line] = [
    {"type": "action", "timestamp": 1714979289, "url": "https://shop.example/", "pageId": "101", "idpageview": "AbCdEf",
     "timeSpent": "10"},
    {"type": "event", "timestamp": 1714979289, "url": "https://shop.example/", "pageId": "102", "idpageview": "AbCdEf",
     "eventAction": "add_to_cart"},
    {"type": "event", "timestamp": 1714979289, "url": "https://shop.example/", "pageId": "103", "idpageview": "AbCdEf",
     "eventAction": "add_to_cart"},
    {"type": "goal", "timestamp": 1714979289, "url": "https://shop.example/", "goalId": 1, "goalPageId": "103"},
    {"type": "goal", "timestamp": 1714979289, "url": "https://shop.example/", "goalId": 2, "goalPageId": "103"},
    {"type": "ecommerceOrder", "timestamp": 1714979299, "orderId": "T1", "revenue": "49.95"},
    {"type": "ecommerceOrder", "timestamp": 1714979299, "orderId": "T2", "revenue": "49.95"},
    {"type": "ecommerceAbandonedCart", "timestamp": 1714979299, "revenue": "10"},
    # Of a version of Matomo or of a plugin that gives no ids.
    {"type": "action", "timestamp": 1714979300, "url": "https://shop.example/more", "idpageview": "AbCdEg"},
    {"type": "action", "timestamp": 1714979300, "url": "https://shop.example/more", "idpageview": "AbCdEh"},
]  # fmt: skip


def visit(count: int) -> Line:
    """Return a visit as it is exported after some of its actions."""
    last = {**ACTIONS[count - 1], "timeSpent": None}
    return {
        "idSite": "1", "idVisit": "5", "visitorId": "ab12cd34ab12cd34", "serverTimestamp": last["timestamp"],
        "visitDuration": str(last["timestamp"] - ACTIONS[0]["timestamp"]), "actions": str(count),
        "siteCurrency": "EUR", "actionDetails": [*ACTIONS[: count - 1], last],
    }  # fmt: skip


def test_matomo_visit_that_goes_on_after_an_export_counts_once(ingest: Ingest) -> None:
    first, second = events(ingest, "matomo", visit(6)), events(ingest, "matomo", visit(len(ACTIONS)))
    assert str(first[-1]["value"]) == "49.950000"
    assert len(identities(second)) == len(ACTIONS)
    assert identities(first) < identities(second)


def test_matomo_rows_with_one_action_each_are_the_same_events_in_every_export(ingest: Ingest) -> None:
    rows = [{**visit(len(ACTIONS)), "actionDetails": None, **action} for action in ACTIONS]
    later = [{**row, "serverTimestamp": 1714990000, "visitDuration": "900"} for row in rows]
    assert len(identities(events(ingest, "matomo", *rows, *later))) == len(ACTIONS)


def test_matomo_actions_without_any_id_stay_different_events(ingest: Ingest) -> None:
    media = [{"type": "media", "timestamp": 1714979300, "mediaTitle": title} for title in ("a", "b")]
    rows = events(ingest, "matomo", {**visit(1), "actionDetails": media})
    assert len(identities(rows)) == 2


def test_matomo_content_that_is_only_shown_is_no_action_of_the_visitor(ingest: Ingest) -> None:
    content = {"type": 13, "timestamp": 1714979300, "url": "https://shop.example/", "contentName": "Banner"}
    details = [{**content, "contentInteraction": done} for done in (None, "", "click")]
    nested = events(ingest, "matomo", {**visit(1), "actionDetails": details})
    flat = events(ingest, "matomo", *({**visit(1), "actionDetails": None, **each} for each in details))
    for rows in (nested, flat):
        assert [row["event_name"] for row in rows] == ["request", "request", "click"]
        assert {row["element"] for row in rows} == {"Banner"}


def test_matomo_links_and_events_have_the_names_and_values_of_other_tools(ingest: Ingest) -> None:
    action = {"timestamp": 1714979300, "url": "https://other.example/a.pdf?x=1"}
    details = [
        {**action, "type": "outlink"}, {**action, "type": "download"},
        *({**action, "type": "event", "eventAction": "add", "eventValue": value} for value in (12.5, False, "")),
    ]  # fmt: skip
    nested = events(ingest, "matomo", {**visit(1), "actionDetails": details})
    flat = events(ingest, "matomo", *({**visit(1), "actionDetails": None, **each} for each in details))
    for rows in (nested, flat):
        assert [row["event_name"] for row in rows] == ["click", "file_download", "add", "add", "add"]
        assert [row["element"] for row in rows[:2]] == ["https://other.example/a.pdf"] * 2
        assert [row["value"] and float(row["value"]) for row in rows] == [None, None, 12.5, None, None]


# WooCommerce

ORDER: Line = {
    "id": 1001, "status": "completed", "date_created_gmt": "2024-05-06T07:08:09", "total": "49.90", "currency": "EUR",
    "customer_id": 0, "customer_ip_address": "203.0.113.7", "customer_user_agent": "A",
}  # fmt: skip


@pytest.mark.parametrize("address", ["", " ", None])
def test_woocommerce_orders_of_guests_without_an_address_are_visitors_of_their_own(
    ingest: Ingest, address: str | None
) -> None:
    orders = [{**ORDER, "id": number, "customer_ip_address": address} for number in (1, 2)]
    rows = events(ingest, "woocommerce", *orders, ORDER, {**ORDER, "customer_id": 7, "customer_ip_address": address})
    assert [row["visitor_id"] for row in rows[:2]] == ["order 1", "order 2"]
    assert len(rows[2]["visitor_id"]) == 32  # a hash of the address
    assert rows[3]["visitor_id"] == "customer 7"


def test_woocommerce_order_whose_status_changes_has_one_event_of_each_kind(ingest: Ingest) -> None:
    statuses = ("pending", "on-hold", "processing", "completed", "refunded", "cancelled")
    rows = events(ingest, "woocommerce", *({**ORDER, "status": status} for status in statuses))
    names = [row["event_name"] for row in rows]
    assert names == ["order_pending", "purchase", "purchase", "purchase", "purchase", "order_cancelled"]
    assert len(identities(rows)) == len(set(names))
    assert {row["event_id"] for row in rows if row["event_name"] == "purchase"} == {"1001|purchase"}


def test_woocommerce_data_of_plugins_is_read_and_not_stored(ingest: Ingest) -> None:
    entry = "https://shop.example/lp?email=jana@shop.example"
    data = {"session_entry": entry, "utm_source": "fb", "source_type": "utm"}
    listed = [{"key": f"_wc_order_attribution_{name}", "value": value} for name, value in data.items()]
    [row] = events(ingest, "woocommerce", {**ORDER, "meta_data": listed, "customer_note": "ring", "number": "7"})
    assert (row["page_url"], row["utm_source"]) == ("https://shop.example/lp", "fb")
    assert set(json.loads(row["properties"])) == {"status", "date_created_gmt", "customer_id", "number"}


# Umami, and Plausible


def test_umami_rows_of_each_type_have_a_name(ingest: Ingest) -> None:
    row: Line = {"session_id": "a", "visit_id": "v", "created_at": "2024-05-06 10:00:00", "event_name": None}
    names = {1: "page_view", 2: "signup", 3: "click", 4: "request", 5: "request"}
    lines = [{**row, "event_type": kind, "event_name": "signup" if kind == 2 else None} for kind in names]
    assert [found["event_name"] for found in events(ingest, "umami", *lines)] == list(names.values())


UMAMI_IDS = ("gclid", "msclkid", "ttclid", "twclid", "li_fat_id", "fbclid")


def test_umami_click_id_of_a_column_is_that_of_the_page(ingest: Ingest) -> None:
    row: Line = {
        "session_id": "1", "visit_id": "2", "event_type": 1, "created_at": "2024-05-06 10:00:00",
        "hostname": "shop.example", "url_path": "/a", "url_query": "", **dict.fromkeys(UMAMI_IDS, ""),
    }  # fmt: skip
    expected = {
        (): None,
        **{((name, "secret-7"),): name for name in UMAMI_IDS},
        (("url_query", "q=1"), ("msclkid", "secret-7")): "msclkid",
        (("url_query", "?q=1"), ("msclkid", "secret-7")): "msclkid",
        (("url_query", "q=1&fbclid=secret-7"), ("gclid", "secret-7"), ("fbclid", "secret-7")): "fbclid",
        (("gclid", None), ("fbclid", "secret-7"), ("twclid", "secret-7")): "twclid",
    }
    rows = events(ingest, "umami", *({**row, **dict(fields)} for fields in expected))
    assert [found["click_id_type"] for found in rows] == list(expected.values())
    page = "https://shop.example/a"
    assert [found["page_url"] for found in rows] == [*[page] * 7, *[f"{page}?q=1"] * 3, page]
    assert [found["properties"] for found in rows if "secret-7" in str(found)] == []


def test_plausible_click_id_is_that_of_the_page(ingest: Ingest) -> None:
    row: Line = {
        "user_id": "1", "session_id": "2", "timestamp": "2024-05-06 10:00:00", "name": "pageview",
        "hostname": "shop.example", "pathname": "/a", "utm_source": "", "referrer": "google.com",
    }  # fmt: skip
    asked = {"pathname": "/a?q=1", "click_id_param": "msclkid"}
    rows = events(ingest, "plausible", row, {**row, "click_id_param": "gclid"}, {**row, **asked},
                  {**row, "click_id_param": ""})  # fmt: skip
    assert [found["click_id_type"] for found in rows] == [None, "gclid", "msclkid", None]
    page = "https://shop.example/a"
    assert [found["page_url"] for found in rows] == [page, page, f"{page}?q=1", page]


@pytest.mark.parametrize(
    ("utm_source", "referrer", "found"),
    [("", "", "producthunt"), (None, None, "producthunt"), ("nl", "", "nl"), ("", "producthunt.com", None)],
)
def test_plausible_source_of_a_tag_is_the_utm_source(
    ingest: Ingest, utm_source: str | None, referrer: str | None, found: str | None
) -> None:
    row: Line = {
        "user_id": "1", "session_id": "2", "timestamp": "2024-05-06 10:00:00", "name": "pageview", "pathname": "/",
        "referrer_source": "producthunt",
    }  # fmt: skip
    [event] = events(ingest, "plausible", {**row, "utm_source": utm_source, "referrer": referrer})
    assert event["utm_source"] == found


# Logs of servers

BALANCED = (
    'https 2024-05-06T10:00:05.123456Z app/lb/abc 203.0.113.7:2817 - -1 -1 -1 400 - 0 0 "{}" "Mozilla/5.0" - - - "-"'
    ' "-" "-" - 2024-05-06T10:00:05.000000Z "-" "-" "-" "-" "-" "-" "-" TID_1 "-" "-" "-"{}\n'
)


def test_fields_that_aws_adds_at_the_end_are_ignored(ingest: Ingest) -> None:
    request = "GET https://shop.example:443/a HTTP/1.1"
    lines = [BALANCED.format(request, further) for further in ("", ' "new" 7')]
    found = ingest.take("".join(lines), "a.log", preset("alb"))
    assert (found.quarantined, found.column("page_path")) == ([], ["/a", "/a"])
    assert len(set(found.column("properties"))) == 1


def test_closed_connection_is_an_invalid_request(ingest: Ingest) -> None:
    closed = BALANCED.format("- http://shop.example:80- -", "")
    assert ingest.take(closed, "a.log", preset("alb")).reasons == {1: "invalid_request"}
    line = {"time_iso8601": "2024-05-06T10:00:00+00:00", "remote_addr": "203.0.113.7", "status": "400"}
    lines = [{**line, "request": ""}, {**line, "request": "-"}, {**line, "request_method": "", "request_uri": ""}, line]
    found = taken(ingest, "nginx_json", *lines)
    assert found.reasons == {**dict.fromkeys((1, 2, 3), "invalid_request"), 4: "missing_event_name"}
    assert [row["detail"] for row in found.quarantined][:3] == [None] * 3


def test_fields_that_a_log_shipper_adds_are_not_the_page(ingest: Ingest) -> None:
    line: Line = {
        "@timestamp": "2024-05-06T10:00:00Z", "remote_addr": "203.0.113.7", "status": 200,
        "path": "/var/log/access.json", "host": {"name": "node-2"},
    }  # fmt: skip
    rows = events(
        ingest, "nginx_json", {**line, "request": "GET /a?q=1 HTTP/1.1"},
        {**line, "request": "/b", "method": "GET", "scheme": "http", "http_host": "shop.example"},
        {**line, "request": "/c", "method": "POST", "uri": "/index.php"},
    )  # fmt: skip
    assert [row["page_url"] for row in rows] == ["/a?q=1", "http://shop.example/b", "/c"]
    assert [row["event_name"] for row in rows] == ["page_view", "page_view", "submit"]


# Amplitude, and apps

HOUR = "2024-05-06T10:00:00Z"
OPENED = ("Application Opened", "Application Backgrounded", "Application Installed", "Application Updated")
# What the library of an app sends on its own, by preset: a line without its name, the field of the name, and the names.
OF_APPS: dict[str, tuple[Line, str, tuple[str, ...]]] = {
    "segment": ({"type": "track", "anonymousId": "a", "timestamp": HOUR}, "event", OPENED),
    "rudderstack": ({"type": "track", "anonymousId": "a", "timestamp": HOUR}, "event", OPENED),
    "posthog": ({"distinct_id": "a", "timestamp": HOUR, "properties": {}}, "event",
                (*OPENED, "Application Became Active")),
    "mixpanel": ({"properties": {"distinct_id": "a", "time": 1714989600}}, "event",
                 ("$ae_first_open", "$ae_updated", "$ae_session")),
    "amplitude": ({"device_id": "a", "event_time": "2024-05-06 10:00:00"}, "event_type",
                  tuple(f"[Amplitude] {name}" for name in OPENED)),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_APPS)
def test_events_that_an_app_sends_on_its_own_are_requests(ingest: Ingest, name: str) -> None:
    line, field, names = OF_APPS[name]
    rows = events(ingest, name, *({**line, field: each} for each in names))
    assert [row["event_name"] for row in rows] == ["request"] * len(names)


@pytest.mark.parametrize(
    ("name", "crash"), [("segment", "Application Crashed"), ("rudderstack", "Application Crashed"),
                        ("posthog", "Application Crashed"), ("mixpanel", "$ae_crashed")],
)  # fmt: skip
def test_crash_of_an_app_is_an_exception(ingest: Ingest, name: str, crash: str) -> None:
    line, field, _ = OF_APPS[name]
    [row] = events(ingest, name, {**line, field: crash})
    assert row["event_name"] == "exception"


POSTHOG: Line = {"event": "$pageview", "distinct_id": "a", "timestamp": HOUR, "properties": {}}


def test_posthog_names_with_a_dollar_are_requests_except_actions(ingest: Ingest) -> None:
    names = {
        "$pageview": "page_view", "$screen": "page_view", "$autocapture": "click", "$exception": "exception",
        "$copy_autocapture": "$copy_autocapture", "plan $": "plan $",
        **dict.fromkeys(("$set", "$$heatmap", "$csp_violation", "$some_day_new", "$rageclick", "$dead_click",
                         "survey shown", "product tour shown"), "request"),
    }  # fmt: skip
    rows = events(ingest, "posthog", *({**POSTHOG, "event": name} for name in names))
    assert [row["event_name"] for row in rows] == list(names.values())


@pytest.mark.parametrize(
    ("name", "click", "reported"),
    [
        ("mixpanel", "$mp_click", ["$mp_rage_click", "$mp_dead_click"]),
        ("amplitude", "[Amplitude] Element Clicked",
         [f"[Amplitude] {what}" for what in ("Rage Click", "Dead Click", "Error Click", "Thrashed Cursor")]),
        ("posthog", "$autocapture", ["$rageclick", "$dead_click"]),
    ],
)  # fmt: skip
def test_click_that_a_tool_also_reports_as_frustration_counts_once(
    ingest: Ingest, name: str, click: str, reported: list[str]
) -> None:
    line, field, _ = OF_APPS[name]
    rows = events(ingest, name, *({**line, field: each} for each in [click, *reported]))
    assert [row["event_name"] for row in rows] == ["click", *["request"] * len(reported)]


def test_posthog_event_of_the_library_can_be_renamed(ingest: Ingest) -> None:
    text = "[sources.web]\npreset = 'posthog'\nformat = 'jsonl'\nevent_names = {'$dead_click' = 'dead_click'}"
    rules = rules_of(parse_settings(text), "web", KEY)
    found = ingest.take_lines({**POSTHOG, "event": "$dead_click"}, {**POSTHOG, "event": "$set"}, rules=rules)
    assert found.column("event_name") == ["dead_click", "request"]


def test_posthog_click_without_a_text_has_an_element(ingest: Ingest) -> None:
    chain = 'svg.icon.small:attr__class="icon small"nth-child="1";a.link:attr__href="/cart?email=x"text="Cart"'
    click = {**POSTHOG, "event": "$autocapture", "elements_chain": chain}
    rows = events(ingest, "posthog", click, {**click, "properties": {"$el_text": "Pay"}},
                  {**click, "properties": {"$el_text": ""}}, POSTHOG)  # fmt: skip
    assert [row["element"] for row in rows] == ["svg.icon.small", "Pay", "svg.icon.small", None]


@pytest.mark.parametrize(
    ("chain", "element"),
    [
        ('a.md:flex.hover:red:attr__class="md:flex hover:red"nth-child="1";p:nth-child="1"', "a.md:flex.hover:red"),
        ('a:attr__style="color: red; top: 0"nth-child="1"', "a"),
        ("svg.icon", "svg.icon"),
        ("svg;a.link", "svg"),
    ],
)
def test_posthog_element_has_classes_with_colons(ingest: Ingest, chain: str, element: str) -> None:
    [row] = events(ingest, "posthog", {**POSTHOG, "event": "$autocapture", "elements_chain": chain})
    assert row["element"] == element


def test_posthog_session_id_of_a_query_is_a_column(ingest: Ingest) -> None:
    rows = events(ingest, "posthog", {**POSTHOG, "$session_id": "s1"}, {**POSTHOG, "properties": {"$session_id": "s2"}})
    assert [row["client_session_id"] for row in rows] == ["s1", "s2"]


def test_amplitude_order_with_revenue_of_the_sdk_is_one_purchase(ingest: Ingest) -> None:
    line, field, _ = OF_APPS["amplitude"]
    order = {**line, field: "Order Completed", "event_properties": {"revenue": 12.5}}
    revenue = {**line, field: "revenue_amount", "event_properties": {"$revenue": 12.5, "$price": 12.5}}
    rows = events(ingest, "amplitude", order, revenue)
    assert [row["event_name"] for row in rows] == ["purchase", "revenue_amount"]
    assert [str(row["value"]) for row in rows] == ["12.500000", "12.500000"]
