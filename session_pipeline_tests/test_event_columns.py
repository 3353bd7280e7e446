"""Tests the columns of an event: where their values are found, parts of URLs, and other properties."""

import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from hashlib import md5

import pyarrow.parquet as pq

from session_pipeline.reference.channels import click_id_types
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS
from session_pipeline.settings import parse_settings
from session_pipeline.tables import table
from session_pipeline_tests.ingesting import EVENT, RULES, Ingest, Row

# From line to event


def test_rows_have_columns_and_types_of_the_contracts(each_way_of_columns: Ingest) -> None:
    reading = each_way_of_columns.take_lines(EVENT, "bad").reading
    assert reading.quarantine_path is not None
    for path, name in ((reading.days[0].path, "raw_events"), (reading.quarantine_path, "quarantined_lines")):
        assert [(each.name, each.type) for each in pq.read_schema(path)] == [
            (each.name, each.type) for each in table(name).schema
        ]


def test_every_delivered_column_is_kept(each_way_of_columns: Ingest) -> None:
    given: Row = {name: f"{name} as given" for name in DELIVERED_COLUMNS}
    given |= {
        "event_time": "2024-03-01T12:00:00.123456Z",
        "received_at": "2024-03-01T12:00:05Z",
        "sequence": 7,
        "status_code": 404,
        "value": 12.5,
        "page_url": "https://shop.example/a",
        "referrer": "https://www.example.org/",
        "properties": {"plan": "pro"},
    }
    event = each_way_of_columns.event(**given)
    line = json.dumps({**EVENT, **given})
    assert event == given | {
        "event_time": datetime(2024, 3, 1, 12, 0, 0, 123456),
        "received_at": datetime(2024, 3, 1, 12, 0, 5),
        "value": Decimal("12.5"),
        "properties": '{"plan":"pro"}',
        "currency": "CURRENCY AS GIVEN",
        "page_host": "shop.example",
        "page_path": "/a",
        "referrer_host": "www.example.org",
        "click_id_type": None,
        "user_agent_id": md5(b"user_agent as given").hexdigest(),
        "content_hash": md5(line.encode()).hexdigest(),
        "site": "main",
        "source": "web",
        "file_id": event["file_id"],
        "line_number": 1,
    }


def test_columns_are_found_by_name_also_inside_objects(each_way_of_columns: Ingest) -> None:
    rules = replace(
        RULES,
        columns={"visitor_id": "user.ids.0", "event_time": "ts", "event_name": "type/of~it", "user_id": "User"},
    )
    line = {"user": {"ids": [12, 13]}, "ts": 1709294400, "type/of~it": "click", "User": "u", "user_id": "x"}
    [event] = each_way_of_columns.take_lines(line, rules=rules).events
    assert (event["visitor_id"], event["event_name"], event["user_id"]) == ("12", "click", "u")
    assert event["event_time"] == datetime(2024, 3, 1, 12)
    assert json.loads(event["properties"]) == {"user": {"ids": [12, 13]}, "user_id": "x"}


def test_names_differing_in_case_or_used_twice(each_way_of_columns: Ingest) -> None:
    rules = replace(RULES, columns={"visitor_id": "id", "user_id": "ID", "element": "ID", "page_title": "Event_Name"})
    [event] = each_way_of_columns.take_lines(
        {**EVENT, "id": "v", "ID": "u", "Event_Name": "t", "Id": "x"}, rules=rules
    ).events
    assert (event["visitor_id"], event["user_id"], event["element"], event["page_title"]) == ("v", "u", "u", "t")
    assert json.loads(event["properties"]) == {"Id": "x", "visitor_id": "v"}


def test_constants_fill_missing_fields(each_way_of_columns: Ingest) -> None:
    rules = replace(RULES, constants={"event_name": "page_view", "currency": "EUR", "value": "1"})
    taken = each_way_of_columns.take_lines(
        {"visitor_id": "v", "event_time": EVENT["event_time"], "currency": ""},
        {**EVENT, "event_name": "click", "currency": None},
        rules=rules,
    )
    assert [event["event_name"] for event in taken.events] == ["page_view", "click"]
    assert [event["currency"] for event in taken.events] == ["EUR", "EUR"]
    assert taken.reading.mapping == {
        "visitor_id": "visitor_id",
        "event_time": "event_time",
        "event_name": "event_name, else constant 'page_view'",
        "currency": "constant 'EUR'",
        "value": "constant '1'",
    }


def test_numeric_ids_become_text_and_empty_text_becomes_null(each_way_of_columns: Ingest) -> None:
    event = each_way_of_columns.event(visitor_id=123, user_id="", element=" ", client_session_id=1.5, page_title=True)
    assert (event["visitor_id"], event["user_id"], event["element"]) == ("123", None, " ")
    assert (event["client_session_id"], event["page_title"]) == ("1.5", "true")


def test_event_id_is_content_hash_and_occurrence_number(each_way_of_columns: Ingest) -> None:
    line = json.dumps(EVENT)
    other = json.dumps({**EVENT, "visitor_id": "w"})
    taken = each_way_of_columns.take_lines(line, other, {**EVENT, "event_id": "given"}, line, "", line)
    content = md5(line.encode()).hexdigest()
    ids = {event["line_number"]: event["event_id"] for event in taken.events}
    assert ids == {
        1: md5(f"{content}|1".encode()).hexdigest(),
        2: md5(f"{md5(other.encode()).hexdigest()}|1".encode()).hexdigest(),
        3: "given",
        4: md5(f"{content}|2".encode()).hexdigest(),
        6: md5(f"{content}|3".encode()).hexdigest(),
    }


# URLs, properties and what is removed


URLS: list[tuple[str, str, str | None, str]] = [
    ("https://Shop.Example", "https://Shop.Example", "shop.example", "/"),
    ("https://shop.example:8443/a/b?x=1#top", "https://shop.example:8443/a/b", "shop.example", "/a/b"),
    ("https://shop.example/a#b?q=1", "https://shop.example/a", "shop.example", "/a"),
    ("https://a.example?q=hat&token=s&utm_source=n", "https://a.example?q=hat&utm_source=n", "a.example", "/"),
    ("https://me:secret@shop.example/@you", "https://shop.example/@you", "shop.example", "/@you"),
    ("//shop.example/a//b", "//shop.example/a//b", "shop.example", "/a//b"),
    ("http://[2001:db8::1]:80/a", "http://[2001:db8::1]:80/a", "[2001:db8::1]", "/a"),
    ("/a/b?email=me@example.org", "/a/b", None, "/a/b"),
    ("home", "home", None, "home"),
    ("?q=hat", "?q=hat", None, "/"),
    ("about:blank", "about:blank", None, "about:blank"),
    ("android-app://com.example.app/x", "android-app://com.example.app/x", "com.example.app", "/x"),
    ("https:///a", "https:///a", None, "/a"),
    ("https://é.example/straße", "https://é.example/straße", "é.example", "/straße"),
]


def test_urls_are_divided_into_host_and_path(each_way_of_columns: Ingest) -> None:
    events = each_way_of_columns.take_lines(*({**EVENT, "page_url": url, "referrer": url} for url, *_ in URLS)).events
    found = [(event["page_url"], event["page_host"], event["page_path"]) for event in events]
    assert found == [each[1:] for each in URLS]
    assert [(event["referrer"], event["referrer_host"]) for event in events] == [each[1:3] for each in URLS]


def test_page_path_has_one_spelling_of_percent_encoding(each_way_of_columns: Ingest) -> None:
    """Only what RFC 3986 calls equivalent is equal: the case of digits, and unreserved characters."""
    paths = ["/caf%c3%a9/%7e%41", "/caf%C3%A9/~A", "/a%2fb%2F", "/a/b", "/é", "/100%/%zz%4", "/%2D%2e%5F%30"]
    taken = each_way_of_columns.take_lines(*({**EVENT, "page_url": f"https://shop.example{path}"} for path in paths))
    assert taken.column("page_path") == [
        "/caf%C3%A9/~A", "/caf%C3%A9/~A", "/a%2Fb%2F", "/a/b", "/é", "/100%/%zz%4", "/-._0",
    ]  # fmt: skip
    assert taken.column("page_url") == [f"https://shop.example{path}" for path in paths]


def test_campaigns_click_ids_and_searches_come_from_the_query(each_way_of_columns: Ingest) -> None:
    query = (
        "xutm_source=no&utm_source=a%20b+c&utm_medium=&utm_campaign=%ff&utm_term=caf%C3%A9&utm_content=1&utm_content=2"
        "&gclid=&fbclid=123&gclid=456&q=red%26blue"
    )
    event = each_way_of_columns.event(page_url=f"https://shop.example/?{query}", utm_term="given")
    assert event["utm_source"] == "a b c"
    assert event["utm_medium"] is None
    assert event["utm_campaign"] == "%ff"
    assert event["utm_term"] == "given"
    assert event["utm_content"] == "1"
    assert event["click_id_type"] == "fbclid"
    assert event["search_term"] == "red&blue"


def searched(ingest: Ingest, *queries: str, kept: tuple[str, ...]) -> list[str | None]:
    """Return the search term of a page with each query, if some parameters are kept."""
    lines = [{**EVENT, "page_url": f"https://shop.example/?{query}"} for query in queries]
    return ingest.take_lines(*lines, rules=replace(RULES, keep_query_parameters=kept)).column("search_term")


def test_blank_search_term_is_no_search(each_way_of_columns: Ingest) -> None:
    assert searched(each_way_of_columns, "q=", "q=+", "s=%20+%09", kept=("q", "s")) == [None] * 3


def test_search_term_comes_only_from_parameters_that_are_kept(each_way_of_columns: Ingest) -> None:
    queries = [f"{name}=lamp" for name in ("q", "query", "s", "search", "keyword", "term")]
    packaged = parse_settings("").privacy.keep_query_parameters
    assert searched(each_way_of_columns, *queries, kept=packaged) == ["lamp"] * 5 + [None]
    assert searched(each_way_of_columns, *queries, "s=pan&query=lamp", kept=("query",)) == [
        None, "lamp", None, None, None, None, "lamp",
    ]  # fmt: skip
    assert searched(each_way_of_columns, *queries, kept=()) == [None] * 6


def test_keyword_of_an_ad_is_no_search(each_way_of_columns: Ingest) -> None:
    queries = ["keyword=lamp", "gclid=1&keyword=lamp", "keyword=lamp&q=pan&GCLID=1", "gclid=&keyword=lamp"]
    assert searched(each_way_of_columns, *queries, kept=("q", "keyword")) == ["lamp", None, "pan", "lamp"]


def test_column_without_a_field_is_not_read_from_the_page(each_way_of_columns: Ingest) -> None:
    rules = replace(RULES, columns={"search_term": (), "utm_source": (), "utm_term": (), "utm_campaign": ()},
                    constants={"utm_source": "shop"}, expressions={"utm_term": "upper(line ->> 'word')"})  # fmt: skip
    page = "https://shop.example/?q=lamp&utm_source=a&utm_term=b&utm_campaign=c&utm_medium=d"
    event = each_way_of_columns.event(rules, page_url=page, search_term="given", word="x")
    names = ("search_term", "utm_source", "utm_term", "utm_campaign", "utm_medium")
    assert [event[name] for name in names] == [None, "shop", "X", None, "d"]


def test_currency_is_stored_in_capital_letters(each_way_of_columns: Ingest) -> None:
    given = ("eur", "EUR", " Eur ", " ", None)
    taken = each_way_of_columns.take_lines(*({**EVENT, "currency": each} for each in given))
    assert taken.column("currency") == ["EUR", "EUR", "EUR", None, None]


def test_campaign_parameters_of_matomo_are_read_without_utm_parameters(each_way_of_columns: Ingest) -> None:
    pages = [
        "?pk_source=a&piwik_medium=b&mtm_campaign=c+d&matomo_kwd=e&mtm_content=f",
        "?pk_cpn=g&pk_keyword=h",
        "?utm_source=i&mtm_source=j&mtm_campaign=k",
        "?my_pk_campaign=l&mtm_campaign=&pk_campaigns=m",
    ]
    events = each_way_of_columns.take_lines(*({**EVENT, "page_url": f"/{page}"} for page in pages)).events
    names = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
    assert [[event[name] for name in names] for event in events] == [
        ["a", "b", "c d", "e", "f"],
        [None, None, "g", "h", None],
        ["i", None, "k", None, None],
        [None, None, None, None, None],
    ]


def test_every_click_id_of_the_channels_is_found_in_any_case(each_way_of_columns: Ingest) -> None:
    names = click_id_types()
    pages = [f"https://shop.example/?size=7&{written}=abc" for name in names for written in (name, name.upper())]
    events = each_way_of_columns.take_lines(*({**EVENT, "page_url": page} for page in pages)).events
    assert [event["click_id_type"] for event in events] == [name for name in names for _ in range(2)]


PROPERTIES: list[tuple[Row, Row | None]] = [
    ({}, None),
    ({"properties": {}}, None),
    ({"properties": {"a": None}}, None),
    ({"properties": {"plan": "pro", "n": [1, {"b": None}]}}, {"plan": "pro", "n": [1, {"b": None}]}),
    ({"properties": '{"plan": "pro"}'}, {"plan": "pro"}),
    ({"properties": '{"IP"\t:\n"10.0.0.1", "a": {"ip" : "10.0.0.1"}}'}, {"a": {}}),
    ({"properties": "{NaN}"}, {"properties": "{NaN}"}),
    ({"properties": [1]}, {"properties": [1]}),
    ({"plan": "pro", "experiment": {"b": 1}}, {"plan": "pro", "experiment": {"b": 1}}),
    ({"a": 1, "properties": {"a": 2, "b": 3}}, {"a": 2, "b": 3}),
    ({"ip": "10.0.0.1", "client ip": {"v4": "10.0.0.1"}, "a": 1}, {"a": 1}),
    ({"properties": {"ip": "10.0.0.1"}}, None),
    ({"properties": {"IP": "10.0.0.1", "a": 1}}, {"a": 1}),
    ({"context": {"ip": "10.0.0.1", "os": "x"}}, {"context": {"os": "x"}}),
    ({"properties": {"context": {"Ip": 167772161, "zip": "1"}}}, {"context": {"zip": "1"}}),
    ({"note": 'my "ip":"x"', "a": '\\"ip":"y"'}, {"note": 'my "ip":"x"', "a": '\\"ip":"y"'}),
]


def test_properties_hold_all_fields_without_a_column(each_way_of_columns: Ingest) -> None:
    taken = each_way_of_columns.take_lines(*({**EVENT, **fields} for fields, _ in PROPERTIES))
    found = [text if text is None else json.loads(text) for text in taken.column("properties")]
    assert found == [properties for _, properties in PROPERTIES]
