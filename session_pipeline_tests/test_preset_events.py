"""Tests what lines of the exports of tools become: which are the same event, and their names, values and visitors."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.ingest.rules import ReadingRules
from session_pipeline.ingest.source_rules import rules_of
from session_pipeline.settings import parse_settings
from session_pipeline_tests.ingesting import KEY, Ingest, Row, Taken, as_csv

Line = dict[str, Any]


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    ingest = Ingest(tmp_path)
    yield ingest
    ingest.close()


def preset(name: str) -> ReadingRules:
    return rules_of(parse_settings(f"[sources.web]\npreset = '{name}'"), "web", KEY)


def taken(ingest: Ingest, name: str, *lines: Line) -> Taken:
    """Returns what lines of JSON become with a preset."""
    return ingest.take_lines(*lines, rules=replace(preset(name), format="jsonl"))


def events(ingest: Ingest, name: str, *lines: Line) -> list[Row]:
    found = taken(ingest, name, *lines)
    assert found.quarantined == []
    return found.events


def identities(rows: list[Row]) -> set[tuple[str, str]]:
    """Returns the different events among rows of one site."""
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
    """Returns a visit as it is exported after some of its actions."""
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


# Shopify

SHOP_ORDER: Line = {
    "id": 5001, "name": "#1001", "financial_status": "paid", "test": False, "cancelled_at": None, "currency": "EUR",
    "total_price": "49.90", "processed_at": "2024-05-06T07:08:09+02:00", "customer": {"id": 7}, "browser_ip": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        *(({"financial_status": status}, "purchase") for status in ("paid", "partially_paid", "pending", "authorized",
                                                                   "expired", "partially_refunded", "refunded")),
        ({"financial_status": "voided"}, "order_voided"),
        ({"financial_status": "refunded", "cancelled_at": "2024-05-07T00:00:00Z"}, "order_cancelled"),
        ({"financial_status": "voided", "cancelled_at": "2024-05-07T00:00:00Z"}, "order_cancelled"),
        ({"test": True, "cancelled_at": "2024-05-07T00:00:00Z"}, "order_test"),
    ],
)  # fmt: skip
def test_shopify_order_is_named_by_its_state(ingest: Ingest, changed: Line, name: str) -> None:
    [row] = events(ingest, "shopify", {**SHOP_ORDER, **changed})
    assert (row["event_name"], row["event_id"]) == (name, f"5001|{name}")


def test_shopify_pixel_events_keep_their_ids_and_names(ingest: Ingest) -> None:
    pixel = {"id": "sh-1", "name": "checkout_completed", "clientId": "c", "timestamp": "2024-05-06T07:08:09Z"}
    [row] = events(ingest, "shopify", pixel)
    assert (row["event_id"], row["event_name"], row["visitor_id"]) == ("sh-1", "purchase", "c")


def test_shopify_order_without_customer_and_address_is_a_visitor_of_its_own(ingest: Ingest) -> None:
    details: list[Line | None] = [None, {"browser_ip": ""}, {"browser_ip": "203.0.113.7"}]
    orders = [{**SHOP_ORDER, "customer": None, "id": n, "client_details": each} for n, each in enumerate(details)]
    rows = events(ingest, "shopify", *orders, SHOP_ORDER)
    assert [row["visitor_id"] for row in rows[:2]] == ["order 0", "order 1"]
    assert len(rows[2]["visitor_id"]) == 32  # a hash of the address
    assert rows[3]["visitor_id"] == "7"


# Snowplow's e-commerce plugin

ECOMMERCE = "com_snowplowanalytics_snowplow_ecommerce"
ACTION = f"unstruct_event_{ECOMMERCE}_snowplow_ecommerce_action_1"
SHOWN = ("event_name", "value", "currency")
PRODUCTS: list[Line] = [{"id": "p1", "price": 20}, {"id": "p2", "price": 9.9}]
TRANSACTION = {"transaction": [{"transaction_id": "T1", "revenue": 49.9, "currency": "EUR"}], "product": PRODUCTS}
# The type of an action, its entities by name, and what it becomes.
PLUGIN: list[tuple[str, Mapping[str, list[Line]], tuple[str, str | None, str | None]]] = [
    ("list_view", {"product": PRODUCTS}, ("view_item_list", None, None)),
    ("list_click", {"product": PRODUCTS[:1]}, ("select_item", None, None)),
    ("product_view", {"product": PRODUCTS[:1]}, ("view_item", None, None)),
    ("promo_view", {}, ("view_promotion", None, None)),
    ("promo_click", {}, ("select_promotion", None, None)),
    ("add_to_cart", {"product": PRODUCTS, "cart": [{"total_value": 29.9}]}, ("add_to_cart", None, None)),
    ("remove_from_cart", {}, ("remove_from_cart", None, None)),
    ("checkout_step", {"checkout_step": [{"step": 1}]}, ("begin_checkout", None, None)),
    ("checkout_step", {"checkout_step": [{"step": 2}]}, ("checkout_step_2", None, None)),
    ("checkout_step", {}, ("begin_checkout", None, None)),
    ("transaction", TRANSACTION, ("purchase", "49.900000", "EUR")),
    ("trns_error", TRANSACTION, ("trns_error", None, "EUR")),
    ("refund", {"refund": [{"transaction_id": "T1", "refund_amount": 49.9}]}, ("refund", None, None)),
]  # fmt: skip


def plugin_lines() -> list[Line]:
    """Returns the fields that all forms of the plugin's events have."""
    return [
        {"app_id": "shop", "platform": "web", "event": "unstruct", "event_id": f"e{number}", "domain_userid": "d",
         "collector_tstamp": f"2026-05-04 09:00:{number:02}.000", "event_name": "snowplow_ecommerce_action"}
        for number in range(len(PLUGIN))
    ]  # fmt: skip


def self_describing(name: str, data: object, vendor: str = "com.snowplowanalytics.snowplow.ecommerce") -> Line:
    return {"schema": f"iglu:{vendor}/{name}/jsonschema/1-0-2", "data": data}


def texts_of_enriched_events() -> list[Line]:
    """Returns the lines with unstruct_event and contexts as enriched events have them, with other entities around."""
    vendor = "com.snowplowanalytics.snowplow"
    lines = []
    for line, (kind, entities, _) in zip(plugin_lines(), PLUGIN, strict=True):
        action = self_describing("snowplow_ecommerce_action", {"type": kind})
        contexts = [self_describing("web_page", {"id": "w"}, vendor)]
        contexts += [self_describing(name, each) for name, found in reversed(entities.items()) for each in found]
        lines.append({
            **line,
            "unstruct_event": json.dumps(self_describing("unstruct_event", action, vendor)),
            "contexts": json.dumps(self_describing("contexts", contexts, vendor)),
        })  # fmt: skip
    return lines


def columns_of_table() -> list[Line]:
    """Returns the lines with a column for each kind of entity, as the Analytics SDKs and tables have them."""
    return [
        {
            **line,
            ACTION: {"type": kind},
            **{f"contexts_{ECOMMERCE}_{name}_1": found for name, found in entities.items()},
        }
        for line, (kind, entities, _) in zip(plugin_lines(), PLUGIN, strict=True)
    ]


def as_tsv(lines: list[Line]) -> str:
    return "".join("\t".join(str(line.get(name, "")) for name in preset("snowplow").header) + "\n" for line in lines)


def as_table(lines: list[Line], *, has_texts: bool) -> pa.Table:
    names = list(dict.fromkeys(name for line in lines for name in line))
    if has_texts:
        lines = [
            {name: json.dumps(v) if isinstance(v, list | dict) else v for name, v in line.items()} for line in lines
        ]
    return pa.Table.from_pylist([{name: line.get(name) for name in names} for line in lines])


def as_parquet(lines: list[Line], *, has_texts: bool) -> bytes:
    sink = io.BytesIO()
    pq.write_table(as_table(lines, has_texts=has_texts), sink)
    return sink.getvalue()


def as_csv_of_table(lines: list[Line]) -> str:
    table = as_table(lines, has_texts=True)
    return as_csv(table.column_names, *(["" if v is None else v for v in row.values()] for row in table.to_pylist()))


FORMS: Mapping[str, tuple[str, Callable[[], str | bytes]]] = {
    "enriched events": ("a.tsv", lambda: as_tsv(texts_of_enriched_events())),
    "enriched events as JSON": ("a.jsonl", lambda: "\n".join(map(json.dumps, texts_of_enriched_events()))),
    "the Analytics SDK": ("a.jsonl", lambda: "\n".join(map(json.dumps, columns_of_table()))),
    "a table with structs": ("a.parquet", lambda: as_parquet(columns_of_table(), has_texts=False)),
    "a table with JSON as text": ("a.parquet", lambda: as_parquet(columns_of_table(), has_texts=True)),
    "a table as CSV": ("a.csv", lambda: as_csv_of_table(columns_of_table())),
}


@pytest.mark.parametrize("form", FORMS)
def test_actions_of_the_ecommerce_plugin_have_names_and_values(ingest: Ingest, form: str) -> None:
    name, content = FORMS[form]
    found = ingest.take(content(), name, preset("snowplow"))
    assert found.quarantined == []
    shown = [tuple(None if row[each] is None else str(row[each]) for each in SHOWN) for row in found.events]
    assert shown == [expected for _, _, expected in PLUGIN]


def test_entities_of_enriched_events_are_kept_under_the_names_of_the_tables(ingest: Ingest) -> None:
    found = ingest.take(as_tsv(texts_of_enriched_events()), "a.tsv", preset("snowplow"))
    [row] = [row for row in found.events if row["event_name"] == "purchase"]
    assert json.loads(row["properties"])["contexts"]["data"] == {
        "com_snowplowanalytics_snowplow_web_page_1": [{"id": "w"}],
        f"{ECOMMERCE}_product_1": PRODUCTS,
        f"{ECOMMERCE}_transaction_1": TRANSACTION["transaction"],
    }
