"""Tests what Snowplow's own events become: those of its trackers and of its e-commerce plugin, in all forms of export.

test_snowplow_preset.py compares sessions with those of Snowplow's web model.
"""

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.settings import parse_settings
from session_pipeline_tests.ingesting import KEY, Ingest, as_csv

pytestmark = pytest.mark.long  # further cases of what the usual tests cover

Line = dict[str, Any]
RULES = rules_of(parse_settings("[sources.web]\npreset = 'snowplow'"), "web", KEY)
SNOWPLOW, MOBILE = "com.snowplowanalytics.snowplow", "com.snowplowanalytics.mobile"
ECOMMERCE, MEDIA = f"{SNOWPLOW}.ecommerce", f"{SNOWPLOW}.media"


@dataclass(frozen=True)
class Sent:
    """A self-describing event.

    Attributes:
        name: The name of its schema.
        data: Its data.
        becomes: What is expected in some of our columns.
        entities: The data of its entities, by the name of their schema.
        vendor: The vendor of its schema and of its entities.
        version: The first number of the version of its schema.
    """

    name: str
    data: Line
    becomes: tuple[str | None, ...]
    entities: Mapping[str, list[Line]] = field(default_factory=dict)
    vendor: str = SNOWPLOW
    version: int = 1


def line_of(number: int, sent: Sent) -> Line:
    """Return the fields that all forms of an event have."""
    return {
        "app_id": "shop", "platform": "web", "event": "unstruct", "event_id": f"e{number}", "domain_userid": "d",
        "collector_tstamp": f"2026-05-04 09:00:{number:02}.000", "event_name": sent.name,
    }  # fmt: skip


def self_describing(name: str, data: object, vendor: str = SNOWPLOW, version: int = 1) -> Line:
    return {"schema": f"iglu:{vendor}/{name}/jsonschema/{version}-0-2", "data": data}


def enriched(events: Sequence[Sent]) -> list[Line]:
    """Return the lines with unstruct_event and contexts as enriched events have them, with other entities around."""
    lines = []
    for number, sent in enumerate(events):
        contexts = [self_describing("web_page", {"id": "w"})]
        contexts += [
            self_describing(name, each, sent.vendor)
            for name, found in reversed(sent.entities.items())
            for each in found
        ]
        event = self_describing(sent.name, sent.data, sent.vendor, sent.version)
        lines.append({
            **line_of(number, sent),
            "unstruct_event": json.dumps(self_describing("unstruct_event", event)),
            "contexts": json.dumps(self_describing("contexts", contexts)),
        })  # fmt: skip
    return lines


def columns_of_table(events: Sequence[Sent], *, has_underscores: bool = False) -> list[Line]:
    """Return the lines with a column for each kind of entity, as the Analytics SDKs and tables have them."""
    lines = []
    for number, sent in enumerate(events):
        vendor = sent.vendor.replace(".", "_")
        data = {with_underscores(name) if has_underscores else name: value for name, value in sent.data.items()}
        lines.append({
            **line_of(number, sent),
            f"unstruct_event_{vendor}_{sent.name}_{sent.version}": data,
            **{f"contexts_{vendor}_{name}_1": found for name, found in sent.entities.items()},
        })  # fmt: skip
    return lines


def with_underscores(name: str) -> str:
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)


def as_tsv(lines: list[Line]) -> str:
    return "".join("\t".join(str(line.get(name, "")) for name in RULES.header) + "\n" for line in lines)


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
    """Return the lines with all columns that every table has, by which its header is recognized."""
    table = as_table([{**dict.fromkeys(RULES.header), **line} for line in lines], has_texts=True)
    return as_csv(table.column_names, *(["" if v is None else v for v in row.values()] for row in table.to_pylist()))


def as_json(lines: list[Line]) -> str:
    return "\n".join(map(json.dumps, lines))


FORMS: Mapping[str, tuple[str, Callable[[Sequence[Sent]], str | bytes]]] = {
    "enriched events": ("a.tsv", lambda events: as_tsv(enriched(events))),
    "enriched events as JSON": ("a.jsonl", lambda events: as_json(enriched(events))),
    "the Analytics SDK": ("a.jsonl", lambda events: as_json(columns_of_table(events))),
    "a table with structs": (
        "a.parquet",
        lambda events: as_parquet(columns_of_table(events, has_underscores=True), has_texts=False),
    ),
    "a table with JSON as text": ("a.parquet", lambda events: as_parquet(columns_of_table(events), has_texts=True)),
    "a table as CSV": ("a.csv", lambda events: as_csv_of_table(columns_of_table(events))),
}


def shown(ingest: Ingest, form: str, events: Sequence[Sent], columns: Sequence[str]) -> list[tuple[str | None, ...]]:
    """Return what events become, in some of our columns."""
    name, content = FORMS[form]
    found = ingest.take(content(events), name, RULES)
    assert found.quarantined == []
    return [tuple(None if row[each] is None else str(row[each]) for each in columns) for row in found.events]


# The events of trackers

FIELD = {"formId": "contact", "elementId": "email", "nodeName": "INPUT", "value": None}
LINK = {"targetUrl": "https://other.example/a?token=1#b"}
TRACKERS = [
    Sent("screen_view", {"name": "Home", "id": "s1"}, ("page_view", "/Home", None, None), vendor=MOBILE),
    Sent("screen_view", {"name": "Detail", "id": "s2"}, ("page_view", "/Detail", None, None)),
    Sent("link_click", {**LINK, "elementId": "buy"}, ("click", None, "buy", None)),
    Sent("link_click", {**LINK, "elementId": ""}, ("click", None, "https://other.example/a", None)),
    Sent("button_click", {"label": "Buy now", "id": "buy"}, ("click", None, "buy", None)),
    Sent("button_click", {"label": "Buy now"}, ("click", None, "Buy now", None)),
    Sent("button_click", {"label": "Buy now", "id": "buy"}, ("click", None, "buy", None), version=2),
    Sent("focus_form", FIELD, ("form_start", None, "contact", None)),
    Sent("change_form", FIELD, ("change", None, "email", None)),
    Sent("submit_form", {"formId": "contact"}, ("form_submit", None, "contact", None)),
    Sent("site_search", {"terms": ["lamp"]}, ("search", None, None, "lamp")),
    Sent("site_search", {"terms": ['the "red"', "lamp"]}, ("search", None, None, 'the "red" lamp')),
    Sent("scroll_changed", {"yOffset": 1}, ("scroll", None, None, None), vendor=MOBILE),
    Sent("ping_event", {"x": 1}, ("page_ping", None, None, None), vendor=MEDIA),
    Sent("web_vitals", {"cls": 0.1}, ("request", None, None, None)),
    Sent("application_install", {"x": 1}, ("request", None, None, None), vendor=MOBILE),
    Sent("application_background", {"backgroundIndex": 1}, ("request", None, None, None)),
    Sent("application_error", {"message": "a"}, ("application_error", None, None, None)),
    Sent("order_rated", {"elementId": "a", "name": "b", "stars": 5}, ("order_rated", None, None, None), vendor="shop"),
]


@pytest.mark.parametrize("form", FORMS)
def test_events_of_trackers_have_names_pages_elements_and_terms(ingest: Ingest, form: str) -> None:
    found = shown(ingest, form, TRACKERS, ("event_name", "page_url", "element", "search_term"))
    assert found == [sent.becomes for sent in TRACKERS]


# The e-commerce plugin

PRODUCTS: list[Line] = [{"id": "p1", "price": 20}, {"id": "p2", "price": 9.9}]
TRANSACTION = {"transaction": [{"transaction_id": "T1", "revenue": 49.9, "currency": "EUR"}], "product": PRODUCTS}
PLUGIN = [
    Sent("snowplow_ecommerce_action", {"type": kind}, becomes, entities, ECOMMERCE)
    for kind, entities, becomes in (
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
    )
]


@pytest.mark.parametrize("form", FORMS)
def test_actions_of_the_ecommerce_plugin_have_names_and_values(ingest: Ingest, form: str) -> None:
    found = shown(ingest, form, PLUGIN, ("event_name", "value", "currency"))
    assert found == [sent.becomes for sent in PLUGIN]


def test_entities_of_enriched_events_are_kept_under_the_names_of_the_tables(ingest: Ingest) -> None:
    found = ingest.take(as_tsv(enriched(PLUGIN)), "a.tsv", RULES)
    [row] = [row for row in found.events if row["event_name"] == "purchase"]
    prefix = ECOMMERCE.replace(".", "_")
    assert json.loads(row["properties"])["contexts"]["data"] == {
        "com_snowplowanalytics_snowplow_web_page_1": [{"id": "w"}],
        f"{prefix}_product_1": PRODUCTS,
        f"{prefix}_transaction_1": TRANSACTION["transaction"],
    }
