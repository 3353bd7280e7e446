"""Tests what orders and pixel events of Shopify become, and which personal data is left out."""

import pytest

from session_pipeline_tests.ingesting import Ingest
from session_pipeline_tests.preset_lines import Line, events

SHOP_ORDER: Line = {
    "id": 5001, "name": "#1001", "financial_status": "paid", "test": False, "cancelled_at": None, "currency": "EUR",
    "total_price": "49.90", "processed_at": "2024-05-06T07:08:09+02:00", "customer": {"id": 7}, "browser_ip": None,
}  # fmt: skip


@pytest.mark.long
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


def test_shopify_clicks_and_inputs_have_a_position_and_an_element(ingest: Ingest) -> None:
    pixel = {"id": "sh-1", "clientId": "c", "timestamp": "2024-05-06T07:08:09Z", "seq": 7}
    elements = [
        ("clicked", {"id": "buy", "name": ""}), ("input_changed", {"id": "", "name": "quantity"}),
        ("clicked", {"id": "", "name": "", "href": "/cart?a=1"}), ("form_submitted", {"id": "cart"}),
    ]  # fmt: skip
    rows = events(ingest, "shopify", *({**pixel, "name": name, "data": {"element": each}} for name, each in elements))
    assert [(row["event_name"], row["element"]) for row in rows] == [
        ("click", "buy"), ("change", "quantity"), ("click", "/cart"), ("submit", "cart")
    ]  # fmt: skip
    assert {row["sequence"] for row in rows} == {7}


def test_shopify_data_of_customers_and_of_forms_is_not_stored(ingest: Ingest) -> None:
    address = {"first_name": "Secret", "address1": "Secret 1", "phone": "+49 Secret"}
    order = {
        **SHOP_ORDER, "email": "secret@a.example", "contact_email": "secret@a.example", "phone": "+49 Secret",
        "billing_address": address, "shipping_address": address, "note": "Secret", "source_name": "web",
        "payment_details": {"credit_card_name": "Secret"}, "order_status_url": "https://a.example/1/orders/secret?key=secret",
        "customer": {"id": 7, "email": "secret@a.example", "last_name": "Secret", "default_address": address},
    }  # fmt: skip
    checkout = {"email": "secret@a.example", "phone": "Secret", "billingAddress": address, "shippingAddress": address,
                "smsMarketingPhone": "Secret", "attributes": [{"key": "gift for", "value": "Secret"}]}  # fmt: skip
    typed = {"id": "mail", "type": "email", "value": "secret@a.example"}
    pixel = {"id": "sh-1", "clientId": "c", "timestamp": "2024-05-06T07:08:09Z"}
    data = [
        ("checkout_completed", {"checkout": checkout}), ("input_changed", {"element": typed}),
        ("form_submitted", {"element": {"id": "contact", "elements": [typed]}}),
        ("alert_displayed", {"alert": {"type": "INPUT_INVALID", "value": "secret@a.example"}}),
    ]  # fmt: skip
    rows = events(ingest, "shopify", order, *({**pixel, "name": name, "data": each} for name, each in data))
    assert not any("secret" in str(row).lower() for row in rows)
    assert (rows[0]["user_id"], '"source_name":"web"' in rows[0]["properties"]) == ("7", True)
    assert rows[2]["element"] == "mail"


def test_shopify_order_without_customer_and_address_is_a_visitor_of_its_own(ingest: Ingest) -> None:
    details: list[Line | None] = [None, {"browser_ip": ""}, {"browser_ip": "203.0.113.7"}]
    orders = [{**SHOP_ORDER, "customer": None, "id": n, "client_details": each} for n, each in enumerate(details)]
    rows = events(ingest, "shopify", *orders, SHOP_ORDER)
    assert [row["visitor_id"] for row in rows[:2]] == ["order 0", "order 1"]
    assert len(rows[2]["visitor_id"]) == 32  # a hash of the address
    assert rows[3]["visitor_id"] == "7"
