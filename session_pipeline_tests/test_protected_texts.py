"""Tests what is stored of people in accepted lines: no addresses; hashed or reduced values by the settings."""

import json
from dataclasses import replace
from typing import Any

import pytest

from session_pipeline.ingest.mapping.visitors import VisitorKey
from session_pipeline.reference.user_agents import _row, reduced_agent
from session_pipeline_tests.ingesting import EVENT, KEY, RULES, Ingest
from session_pipeline_tests.preset_lines import preset

IPV4, IPV6 = "203.0.113.7", "2001:db8:1:2::7"
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36"
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4"
    " Mobile/15E148 Safari/604.1"
)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
OTHER_KEY = VisitorKey(bytes(reversed(range(32))))


def test_no_column_keeps_an_address(ingest: Ingest) -> None:
    url = "https://shop.example/a?utm_source=203.0.113.7&q=2001%3Adb8%3A1%3A2%3A%3A7"
    plain = ("page_title", "element", "currency", "user_agent", "event_name", "search_term", "utm_campaign")
    fields: dict[str, Any] = dict.fromkeys(plain, IPV4)
    fields |= {"user_id": IPV6, "client_session_id": f"[{IPV6}]:80", "event_id": IPV4, "visitor_id": IPV4}
    fields |= {"page_url": url, "referrer": url, "x": IPV4, "properties": {"list": [f"for={IPV4}"], "y": {"z": IPV6}}}
    taken = ingest.take_lines({**EVENT, **fields})
    [event] = taken.events
    written = json.dumps({name: value for name, value in event.items() if name != "event_time"})
    assert not {IPV4, IPV6, "db8", "203.0"} & {part for part in (IPV4, IPV6, "db8", "203.0") if part in written}
    assert {name: event[name] for name in plain} == dict.fromkeys(plain, "[address]")
    assert event["user_id"] is event["client_session_id"] is None
    assert len(event["event_id"]) == 32
    assert event["page_url"] == "https://shop.example/a?utm_source=[address]&q=[address]"
    assert event["utm_source"] == "[address]"
    assert json.loads(event["properties"]) == {"x": "[address]", "list": ["for=[address]"], "y": {"z": "[address]"}}


def test_visitor_id_that_is_an_address_is_shortened_and_hashed(ingest: Ingest) -> None:
    ids = [IPV4, "203.0.113.99:443", "203.0.114.7", IPV6, "[2001:db8:1:99::1]:443", "2001:db8:2::7", "someone"]
    lines = [{**EVENT, "visitor_id": visitor, "user_agent": PHONE} for visitor in ids]
    taken = ingest.take_lines(*lines, {**EVENT, "visitor_id": IPV4})
    found = taken.column("visitor_id")
    assert found[6] == "someone"
    assert found[0] == found[1]
    assert found[3] == found[4]
    assert len(set(found)) == 6
    by_field = replace(RULES, visitor_address="from", columns={"visitor_id": ()})
    same = ingest.take_lines({**EVENT, "from": IPV4, "user_agent": PHONE}, rules=by_field)
    assert same.column("visitor_id") == found[:1]


def test_port_behind_an_address_does_not_change_the_visitor(ingest: Ingest) -> None:
    ids = [IPV4, f"{IPV4}:51234", f"::ffff:{IPV4}", f"::ffff:{IPV4}:51234", f"[::ffff:{IPV4}]:51234"]
    found = ingest.take_lines(*({**EVENT, "visitor_id": visitor} for visitor in ids)).column("visitor_id")
    assert len(set(found)) == 1
    ids = [IPV6, f"[{IPV6}]:51234", f"{IPV6}:51234", "2001:db8:1:2:3:4:5:6:51234"]
    found = ingest.take_lines(*({**EVENT, "visitor_id": visitor} for visitor in ids)).column("visitor_id")
    assert len(set(found)) == 1


def test_event_id_that_is_an_address_with_a_port_or_zone_is_not_kept(ingest: Ingest) -> None:
    ids = [f"{IPV6}:51234", f"[{IPV6}%eth0]:443", f"::ffff:{IPV4}:443", "2001%3Adb8%3A%3A1%3A44312", "fe80::1%eth0"]
    kept = ["1.2.3.4.5", "12:34:56", "a%20b", "00:1a:2b:3c:4d:5e", "2001:db8::1:443127"]
    found = ingest.take_lines(*({**EVENT, "event_id": each} for each in [*ids, *kept])).column("event_id")
    assert found[len(ids) :] == kept
    assert all(len(each) == 32 for each in found[: len(ids)])


def test_only_files_with_such_ids_depend_on_the_key(ingest: Ingest) -> None:
    plain = ingest.take_lines(EVENT)
    addressed = ingest.take_lines({**EVENT, "visitor_id": IPV4})
    assert (plain.reading.is_keyed, addressed.reading.is_keyed) == (False, True)
    other = replace(RULES, visitor_key=OTHER_KEY)
    assert other.gave(RULES.fingerprint("jsonl"))
    assert not other.gave(RULES.fingerprint("jsonl", is_keyed=True))


def test_versions_times_and_ids_are_kept(ingest: Ingest) -> None:
    fields = {
        "version": "1.2.3.4",
        "agent": "Chrome/119.0.0.0",
        "at": "12:34:56",
        "mac": "00:1a:2b:3c:4d:5e",
        "id": "123e4567-e89b-12d3-a456-426614174000",
        "hex": "d41d8cd98f00b204e9800998ecf8427e",
        "text": f"seen at {IPV4}",
        "number": 1.5,
    }
    [event] = ingest.take_lines({**EVENT, **fields, "user_agent": WINDOWS, "visitor_id": "12:34:56"}).events
    assert json.loads(event["properties"]) == fields
    assert (event["user_agent"], event["visitor_id"]) == (WINDOWS, "12:34:56")


def test_user_ids_are_keyed_alike_in_all_sources_and_sites(ingest: Ingest) -> None:
    rules = replace(RULES, has_keyed_users=True)
    lines = [{**EVENT, "user_id": "a@example.org"}, {**EVENT, "user_id": "b"}, EVENT]
    found = ingest.take_lines(*lines, rules=rules).column("user_id")
    again = ingest.take_lines(*lines, rules=replace(rules, source="app", site="other")).column("user_id")
    other = ingest.take_lines(*lines, rules=replace(rules, visitor_key=OTHER_KEY)).column("user_id")
    assert found == again == [KEY.keyed("user id", "a@example.org"), KEY.keyed("user id", "b"), None]
    assert not {"a@example.org", "b"} & set(found)
    assert other[0] != found[0]


def test_user_ids_that_name_nobody_are_not_keyed(ingest: Ingest) -> None:
    rules = replace(RULES, has_keyed_users=True, plain_users=("guest",))
    lines = [{**EVENT, "user_id": each} for each in ("guest", "Guest", "guest1")]
    found = ingest.take_lines(*lines, rules=rules).column("user_id")
    assert found == ["guest", KEY.keyed("user id", "Guest"), KEY.keyed("user id", "guest1")]


HOUR = "2024-05-06T10:00:00Z"
# An event of each preset whose events have the user id, or the user agent, in a nested field or in several fields
OF_USERS: dict[str, dict[str, Any]] = {
    "posthog": {"event": "$pageview", "distinct_id": "user-7", "timestamp": HOUR, "properties": {
        "$device_id": "d", "distinct_id": "user-7", "$user_id": "user-7", "$raw_user_agent": WINDOWS}},
    "mixpanel": {"event": "Page View", "properties": {"time": 1714989600, "$device_id": "d", "distinct_id": "user-7",
                 "$user_id": "user-7", "$user_agent": WINDOWS}},
    "segment": {"type": "page", "anonymousId": "d", "timestamp": HOUR, "userId": "user-7",
                "context": {"userAgent": WINDOWS, "traits": {"id": "user-7"}}},
    "rudderstack": {"type": "page", "anonymousId": "d", "timestamp": HOUR, "userId": "user-7",
                    "context": {"userAgent": WINDOWS, "traits": {"id": "user-7"}}},
    "shopify": {"name": "page_viewed", "id": "e", "clientId": "d", "timestamp": HOUR, "customer": {"id": "user-7"},
                "context": {"navigator": {"userAgent": WINDOWS}},
                "data": {"checkout": {"order": {"customer": {"id": "user-7"}}}}},
    "woocommerce": {"id": 1, "status": "completed", "date_created_gmt": HOUR, "customer_id": "user-7",
                    "customer_user_agent": WINDOWS},
}  # fmt: skip


@pytest.mark.parametrize("name", OF_USERS)
def test_properties_have_no_user_id_or_user_agent_that_is_protected(ingest: Ingest, name: str) -> None:
    rules = replace(preset(name), format="jsonl", has_keyed_users=True, has_reduced_agents=True)
    [event] = ingest.take_lines({**OF_USERS[name], "other": 1}, rules=rules).events
    assert event["user_id"] == KEY.keyed("user id", "user-7")
    assert event["user_agent"].startswith("reduced (Chrome/129")
    assert "user-7" not in event["properties"]
    assert "AppleWebKit" not in event["properties"]
    assert '"other":1' in event["properties"]


def test_fields_of_plain_user_ids_stay_in_properties(ingest: Ingest) -> None:
    [event] = ingest.take_lines(OF_USERS["mixpanel"], rules=replace(preset("mixpanel"), format="jsonl")).events
    assert json.loads(event["properties"])["distinct_id"] == "user-7"


def test_equal_texts_of_two_purposes_have_different_hashes() -> None:
    assert KEY.keyed("user id", "a") != KEY.keyed("property", "a")
    # RFC 2104 with SHA-256, by openssl: the key of the purpose, then the hash of the text.
    assert KEY.keyed("user id", "a") == "e2033e10cfedcae92687d5a95266f2e9"


def test_properties_are_hashed_by_name_at_any_depth(ingest: Ingest) -> None:
    rules = replace(RULES, hash_properties=("*_email", "account"))
    given = {
        "userEmail": "a@example.org",
        "Account": {"id": [1, {"x": "}"}]},
        "deep": {"ac_count": 12.50},
        "kept": "account",
    }
    text = json.dumps({**EVENT, "properties": given})
    [event] = ingest.take_lines(text, {**EVENT, "email": "a@example.org"}, rules=rules).events[:1]
    assert json.loads(event["properties"]) == {
        "userEmail": KEY.keyed("property", "a@example.org"),
        "Account": KEY.keyed("property", '{"id":[1,{"x":"}"}]}'),
        "deep": {"ac_count": KEY.keyed("property", "12.5")},
        "kept": "account",
    }


def test_integer_of_thousands_of_digits_is_hashed(ingest: Ingest) -> None:
    rules = replace(RULES, hash_properties=("account",))
    digits = "7" * 5_000  # Python converts no integer of more than 4,300 digits
    lines = (json.dumps(EVENT)[:-1] + f', "account": {value}}}' for value in (digits, f'{{"id":[{digits}]}}'))
    found = ingest.take_lines(*lines, rules=rules).column("properties")
    assert [json.loads(each)["account"] for each in found] == [
        KEY.keyed("property", digits),
        KEY.keyed("property", f'{{"id":[{digits}]}}'),
    ]


def test_agents_of_people_are_reduced_and_bots_are_found_as_before(ingest: Ingest) -> None:
    rules = replace(RULES, has_reduced_agents=True, agent_patterns=("Win64; x64.*MyApp",))
    agents = [WINDOWS, PHONE, BOT, "curl/8.5.0", f"{WINDOWS} MyApp", "-", None]
    found = ingest.take_lines(*({**EVENT, "user_agent": agent} for agent in agents), rules=rules).column("user_agent")
    assert found == [
        "reduced (Chrome/129; Windows/10; desktop)",
        "reduced (Mobile Safari/17; iOS/17; mobile)",
        *agents[2:],
    ]


AGENTS = (
    WINDOWS, PHONE, BOT, "", "x/1", "Foo;(/)/1.2", "Opera/9.80 (Android)", "é", "NCSA_Mosaic/2.0 (Windows 3.1)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Firefox/3.6b5pre (Shiretoko; x)", "SHIRETOKO (a;b)/3.5", "reduced (x; y; z)",
)  # fmt: skip


@pytest.mark.parametrize("agent", AGENTS)
def test_reduced_agent_is_classified_like_the_whole(agent: str) -> None:
    reduced = reduced_agent(agent)
    assert {**_row(reduced), "user_agent": ""} == {**_row(agent), "user_agent": ""}
    assert reduced_agent(reduced) == reduced
