"""Tests how addresses are found by value: what is one in any spelling, and what only looks like one."""

import json
from time import thread_time

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from session_pipeline.ingest.reading.addresses import (
    MAY_HAVE_ADDRESS,
    is_address,
    without_address,
    without_address_in_url,
    without_addresses_in_json,
)

ADDRESSES = (
    "203.0.113.7", " 203.0.113.7 ", "203.000.113.007", "203.0.113.7:443", "[203.0.113.7]:443", '"203.0.113.7"',
    "203.0.113.7/32", "203%2E0%2E113%2e7", "%32%30%33.0.113.7", "203%252E0%252E113%252E7", "0.0.0.0",
    "2001:db8:85a3:0:0:8a2e:370:7334", "2001:0DB8:85A3:0000:0000:8A2E:0370:7334", "2001:db8::1", "::1", "fe80::1%eth0",
    "fe80::1%25eth0", "[2001:db8::1]", "[2001:db8::1]:443", "[fe80::1%eth0]:80", "::ffff:203.0.113.7",
    "::ffff:cb00:7107", "64:ff9b::203.0.113.7", "2001%3Adb8%3A%3A1", "2001%3Adb8%3A0%3A0%3A0%3A0%3A0%3A1",
    "2001%253Adb8%253A%253A1", "%5B2001%3Adb8%3A%3A1%5D%3A443", "2001:db8::/48", "dead::beef",
    "2001:db8::1:44312", "2001:db8:1:2:3:4:5:6:44312", "::ffff:203.0.113.7:51234", "[::ffff:203.0.113.7]:51234",
    "2001:db8:1:2:3:4:203.0.113.7:80", "2001%3Adb8%3A%3A1%3A44312",
)  # fmt: skip
OTHERS = (
    "", "-", "unknown", "119.0.0.0.0", "1.2.3", "131.0.6778.86", "256.1.1.1", "Chrome/119.0.0.0", "v1.2.3.4",
    "12:34:56", "12:34:56.789", "2024-03-01T12:34:56Z", "2024-03-01T12:34:56+02:00", "00:1a:2b:3c:4d:5e",
    "01:23:45:67:89:ab:cd:ef", "123e4567-e89b-12d3-a456-426614174000", "d41d8cd98f00b204e9800998ecf8427e", "::",
    "std::string", "a::before", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9:a", "2001:db8::1:443127",
    "12345::1:99999:2", "12:30", "10.0.0.1.example", "3405803783",
    "203.0.113.7 is mine", "10,5;3", "a:b", "1.2.3.4-beta", "%", "%3A%3A", "[]", "[address]",
)  # fmt: skip


@pytest.mark.parametrize("text", ADDRESSES)
def test_address_is_found_in_any_spelling(text: str) -> None:
    assert is_address(text)
    assert without_address(text) == "[address]"
    assert (
        pc.match_substring_regex(pa.array([text, json.dumps({"a": text})]), MAY_HAVE_ADDRESS).to_pylist() == [True] * 2
    )


@pytest.mark.parametrize("text", OTHERS)
def test_other_text_is_kept(text: str) -> None:
    assert not is_address(text)
    assert without_address(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("203.0.113.7, 198.51.100.2,10.0.0.1", "[address], [address],[address]"),
        ("unknown, 203.0.113.7", "unknown, [address]"),
        ("203.0.113.7 ::1", "[address] [address]"),
        ("203.0.113.7 from here", "203.0.113.7 from here"),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", "for=[address];proto=http;by=[address]"),
        ('For="[2001:db8:cafe::17]:4711", for=unknown', 'For="[address]", for=unknown'),
        ("a|203.0.113.7|b", "a|[address]|b"),
        ("3,203.0.113.7%2C5", "3,203.0.113.7%2C5"),
    ],
)
def test_elements_of_a_list_are_replaced(text: str, left: str) -> None:
    assert without_address(text) == left


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://a.example/p?ip=203.0.113.7&q=hat", "https://a.example/p?ip=[address]&q=hat"),
        ("https://a.example/p?q=2001%3Adb8%3A%3A1#x", "https://a.example/p?q=[address]#x"),
        ("/lookup/203.0.113.7/info", "/lookup/[address]/info"),
        ("/lookup/%5B2001:db8::1%5D", "/lookup/[address]"),
        ("https://203.0.113.7:8080/a", "https://203.0.113.7:8080/a"),
        ("http://[2001:db8::1]/a?x=1", "http://[2001:db8::1]/a?x=1"),
        ("/release/1.2.3.4/notes?version=1.2.3.4&v=119.0.0.0", "/release/1.2.3.4/notes?version=1.2.3.4&v=119.0.0.0"),
        ("/release/::1", "/release/[address]"),
        ("/a?203.0.113.7", "/a?[address]"),
        ("/a?next=https%3A%2F%2Fb.example%2F%3Fip%3D203.0.113.7", "/a?next=[address]"),
        ("/a?next=https%3A%2F%2Fb.example%2F&t=12%3A34%3A56", "/a?next=https%3A%2F%2Fb.example%2F&t=12%3A34%3A56"),
        ("/a#ip=203.0.113.7", "/a#ip=[address]"),
        ("/a?hops=203.0.113.7,+10.0.0.1", "/a?hops=[address],+[address]"),
    ],
)
def test_parts_of_a_url_are_replaced(url: str, left: str) -> None:
    assert without_address_in_url(url) == left


def test_addresses_are_replaced_at_any_depth_of_json() -> None:
    inner = json.dumps({"ip": "203.0.113.7", "deep": json.dumps({"x": ["::1", "keep"]})})
    given = {
        "a": "203.0.113.7",
        "b": {"c": [{"d": "[2001:db8::1]:80"}, "198.51.100.2"], "e": 3405803783},
        "json": inner,
        "203.0.113.8": 1,
        "203.0.113.9": 2,
        "url": "https://a.example/?x=203.0.113.7",
        "text": "seen at 203.0.113.7 today",
    }
    left = json.loads(without_addresses_in_json(json.dumps(given)))
    assert left == {
        "a": "[address]",
        "b": {"c": [{"d": "[address]"}, "[address]"], "e": 3405803783},
        "json": '{"ip": "[address]", "deep": "{\\"x\\": [\\"[address]\\", \\"keep\\"]}"}',
        "[address]": 1,
        "[address] 2": 2,
        "url": "https://a.example/?x=[address]",
        "text": "seen at 203.0.113.7 today",
    }


@pytest.mark.parametrize(
    "name", ["version", "appVersion", "browser_version", "OSVersion", "app.ver", "sdkVer", "release"]
)
def test_version_by_name_is_kept(name: str) -> None:
    text = json.dumps({name: "1.2.3.4", "list": {name: ["119.0.0.0"]}})
    assert without_addresses_in_json(text) == text
    assert json.loads(without_addresses_in_json(json.dumps({name: "::1"}))) == {name: "[address]"}


@pytest.mark.parametrize("name", ["conversion_from", "server", "driver", "river", "building", "x"])
def test_similar_name_keeps_no_address(name: str) -> None:
    assert json.loads(without_addresses_in_json(json.dumps({name: "1.2.3.4"}))) == {name: "[address]"}


def test_name_counts_until_its_object_ends() -> None:
    assert without_addresses_in_json('[{"version":"1.2.3.4"},"1.2.3.4"]') == '[{"version":"1.2.3.4"},"[address]"]'


def test_everything_else_keeps_its_bytes() -> None:
    text = '{"n":1.50,"e":1e5,"u":"\\u00fc\\/","s":"\\ud83d\\ude00","ip":"203.0.113.7","lone":"\\ud800","z":[ ]}'
    assert without_addresses_in_json(text) == text.replace("203.0.113.7", "[address]")


HOSTILE = {
    "blanks and quotes": (" " * 200_000 + 'x"y"1.2.3.4:z', None),
    "blanks around a name": ("for" + " " * 80_000 + "=" + " " * 80_000 + '"' + " " * 80_000 + '1.2.3.4"x', None),
    "blanks within an element": ("x" + " " * 200_000 + "1.2.3.4", None),
    "quotes that are not closed": ('{"a":"1.2.3.4"' + '\\"' * 100_000, '{"a":"[address]"' + '\\"' * 100_000),
    "URLs in URLs": ("/?a=" * 50_000 + "1.2.3.4", "/?a=[address]"),
    "URLs in URLs without an address": ("/?a=" * 50_000 + "1.2.3", None),
    "a long name": (json.dumps({"x" * 120_000: ["."] * 25_000}), None),
}


@pytest.mark.timeout(3)
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_as_long_as_a_line_takes_less_than_a_second(kind: str) -> None:
    text, left = HOSTILE[kind]
    started = thread_time()
    assert without_address(text) == (text if left is None else left)
    assert thread_time() - started < 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("count", [1, 5, 19, 20, 21, 40])
def test_address_is_found_at_any_depth_of_urls(count: int) -> None:
    assert without_address("/p?next=" * count + "/q?x=203.0.113.7") == "/p?next=[address]"
    assert without_address("/p?next=" * count + "/q?x=y&z=1.2.3") == "/p?next=" * count + "/q?x=y&z=1.2.3"


def test_name_counts_in_a_string_that_is_not_closed() -> None:
    assert without_address('{"version":"a\\\n "1.2.3.4"') == '{"version":"a\\\n "1.2.3.4"'
    assert without_address('{"version":"a}\\\n "1.2.3.4"') == '{"version":"a}\\\n "[address]"'
