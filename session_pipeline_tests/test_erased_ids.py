"""Tests how the ids of an erased visitor are found in lines and logs, and kept as hashes."""

import json
from collections.abc import Callable

import pytest
from markupsafe import escape

from session_pipeline.ingest.erasing.erasures import Erasures, Unfinished
from session_pipeline.ingest.erasing.former_ids import blank
from session_pipeline.ingest.mapping.visitors import VisitorKey
from session_pipeline_tests.erasures import CANARY


@pytest.mark.parametrize(
    ("text", "is_in"),
    [
        ('{"visitor_id": "ab-1"}', True),
        ("id=ab%2D1&x", True),
        (r'{"id": "ab\u002d1"}', True),
        (r"{\"id\": \"ab-1\"}", True),
        ("ab-1", True),
        ("/ab-1_x", True),
        ("xab-1", False),
        ("ab-12", False),
        ("AB-1", False),
        ("ab 1", False),
        ("", False),
        (None, False),
        (r"\ud83d\ude00 ab-1", True),
    ],
)
def test_only_whole_ids_are_found_in_texts(text: str | None, is_in: bool) -> None:
    erasures = Erasures(key=VisitorKey(b"k" * 32)).with_id("visitor", "main", "ab-1")
    assert erasures.are_in(text, "main") is is_in
    assert not erasures.are_in(text, "second")


@pytest.mark.parametrize("sites", [("main", "second"), ("second", "main")], ids=" then ".join)
def test_id_of_one_site_is_found_on_this_site_only(sites: tuple[str, str]) -> None:
    of_main = Erasures(key=VisitorKey(b"k" * 32)).with_id("visitor", "main", "ab-1")
    erasures = of_main.with_id("visitor", "second", "cd-2")
    found = {site: erasures.are_in("id=ab-1", site) for site in sites}
    assert found == {"main": True, "second": False}


@pytest.mark.parametrize(
    ("text", "is_in"),
    [("/?name=ann+smith&x=1", True), (r'"\/?name=ann+smith"', True), ("ann%20smith", True), ("ann smith+x", True),
     ("ann++smith", False), ("annsmith", False)],
)  # fmt: skip
def test_blank_of_an_id_is_found_as_forms_write_it(text: str, is_in: bool) -> None:
    erasures = Erasures(key=VisitorKey(b"k" * 32)).with_id("user", None, "ann smith")
    assert erasures.are_in(text, "main") is is_in


@pytest.mark.parametrize(
    "write",
    [
        str,
        escape,
        json.dumps,
        lambda text: json.dumps(text, ensure_ascii=False),
        lambda text: json.dumps(json.dumps(text)),
    ],
    ids=["plain", "HTML", "JSON", "JSON beyond ASCII", "JSON in JSON"],
)
def test_id_with_quotes_is_found_in_reports_and_json(write: Callable[[str], str]) -> None:
    search = Unfinished(('ann "müller"',)).search
    assert search.is_in(str(write('of ann "müller" and others')))
    assert not search.is_in(str(write('of nn "müller" and others')))
    assert not search.is_in(str(write('of ann "müller and others')))


def test_only_long_ids_are_found_in_logs() -> None:
    session_ids = [f"{number:032x}" for number in range(3_000)]
    search = Unfinished(("short", "longer", CANARY, 'a"quoted<id>', *session_ids)).search
    assert search.is_in(f"x{CANARY}x")
    assert search.is_in("id=longer")
    assert search.is_in(json.dumps({"event": json.dumps({"value": 'a"quoted<id>'})}))
    assert search.is_in("<b>a&quot;quoted&lt;id&gt;</b>")
    assert search.is_in(f"session {session_ids[2_999]} and others")
    assert not search.is_in(f"short {'f' * 32} canary-31415")


@pytest.mark.parametrize("text", ["{}", "%22{}%22", r"\u0022{}", "/visitors%2f{}", "0{}0"])
def test_id_that_is_a_hash_is_found_after_any_character(text: str) -> None:
    erased, other = "0123456789abcdef" * 2, "f" * 32
    search = Unfinished((erased,)).search
    assert search.is_in(f"{other} {text.format(erased)}")
    assert not search.is_in(text.format(erased[::-1]))


def test_hashes_differ_by_kind_site_and_key() -> None:
    hashes = {
        Erasures(key=VisitorKey(key)).with_id(kind, site, "ab-1").entries[0].hash  # type: ignore[arg-type]
        for key in (b"a" * 32, b"b" * 32)
        for kind in ("visitor", "user")
        for site in (None, "main", "second")
    }
    assert len(hashes) == 12
    twice = Erasures(key=VisitorKey(b"a" * 32)).with_id("visitor", None, "ab-1").with_id("visitor", None, "ab-1")
    assert len(twice.entries) == 1


@pytest.mark.parametrize(
    ("given", "before", "after"),
    [
        ("v1", '{"previousId":"v1","v1":1.50}', '{"previousId":"","v1":1.50}'),
        ("v1", '{"a":{"b":["v1", "v12"]},"c":"x v1"}', '{"a":{"b":["", "v12"]},"c":"x v1"}'),
        ("7", r'{"id": 7, "n": -7, "m": 7.0, "7": "7 \" 7"}', r'{"id": "", "n": -7, "m": 7.0, "7": "7 \" 7"}'),
        ("ab-1", r'{"previousId":"ab\u002d1","b":"\\"}', r'{"previousId":"","b":"\\"}'),
    ],
)
def test_only_values_that_are_the_id_are_blanked(given: str, before: str, after: str) -> None:
    assert blank(before, given) == after
