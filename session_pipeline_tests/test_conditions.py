"""Tests conditions and values of the settings: their meaning, and what is rejected.

test_random_conditions.py tests that no row makes them fail.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from time import thread_time
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from session_pipeline.errors import MemoryTooSmallError, SettingsError
from session_pipeline.reference.column_groups import EVENT_CONDITION_COLUMNS, SESSION_CONDITION_COLUMNS
from session_pipeline.settings.conditions import parse_condition, parse_number, parse_scalar, probe
from session_pipeline_tests.portable import find_violations

EVENT = {
    "event_name": "purchase",
    "page_path": "/product/42",
    "value": Decimal("19.50"),
    "status_code": 200,
    "is_bot": False,
    "event_time": datetime(2024, 5, 1, 12),
    "properties": json.dumps(
        {"variant": "b", "a.b": "dotted", "a": {"b": "inner"}, "price": "9.99", "n": "1.9"}
        | {"$browser": "Safari", "$feature/new-checkout": "test"}
        | {"[Amplitude] Page Title": "Cart", "Is Member? (50%, a+b)": "yes"}
    ),
}


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


def compute(database: duckdb.DuckDBPyConnection, tree: exp.Expression, row: Mapping[str, Any]) -> Any:
    columns = ", ".join(f"cast(${name} as {kind}) as {name}" for name, kind in EVENT_CONDITION_COLUMNS.items())
    values = {name: row.get(name) for name in EVENT_CONDITION_COLUMNS}
    found = database.execute(f"select {tree.sql('duckdb')} from (select {columns}) as event", values).fetchone()
    assert found is not None
    return found[0]


def condition(text: str) -> exp.Expression:
    return parse_condition(text, EVENT_CONDITION_COLUMNS, key="funnels[0].steps[1].where")


def complaint(text: str) -> str:
    with pytest.raises(SettingsError) as error:
        condition(text)
    assert str(error.value).startswith("funnels[0].steps[1].where ")
    assert error.value.hint
    return str(error.value)


CONDITIONS = [
    ("event_name = 'purchase'", True),
    ("EVENT_NAME <> 'purchase'", False),
    ("event_name in ('add_to_cart', 'purchase') and not is_bot", True),
    ("event_name not in ('add_to_cart', 'purchase')", False),
    ("page_path like '/product/%'", True),
    ("page_path not ilike '/PRODUCT/%'", False),
    ("regexp_matches(page_path, '^/product/[0-9]+$')", True),
    ("regexp_like(page_path, '/cart')", False),
    (r"regexp_matches(page_path, '^\[[a-z]+\]$') or regexp_matches(page_path, '\\\\C')", False),
    (r"regexp_matches(page_path, '[\.]html$|[\[]|^[^\.]+$')", True),
    ("starts_with(page_path, '/product') and contains(page_path, 'duct') and ends_with(page_path, '42')", True),
    ("split_part(page_path, '/', 2) = 'product' and split_part(page_path, '/', -1) = '42'", True),
    ("lower(upper(event_name)) = replace(event_name, 'x', 'y') and length(trim(event_name)) = 8", True),
    ("value > 19.49 and value >= 19 and value > -1 and value between 19 and 20", True),
    ("status_code between 400 and 599", False),
    ("user_id is null", True),
    ("user_id is not null or is_bot is true", False),
    ("nullif(event_name, 'purchase') is null and coalesce(user_id, 'nobody') = 'nobody'", True),
    ("user_id is distinct from event_name", True),
    ("case when is_bot then false when value > 10 then true else is_bot end", True),
    ("event_time >= timestamp '2024-05-01 12:00:00' and event_time < date '2024-05-02'", True),
    ("properties ->> 'variant' = 'b' and event_name = 'purchase'", True),
    ("not properties ->> 'variant' is null", True),
    ("properties ->> 'a.b' = 'dotted' and properties ->> '$.a.b' = 'inner'", True),
    ("properties ->> '$browser' = 'Safari' and properties ->> '$feature/new-checkout' = 'test'", True),
    ("properties ->> '[Amplitude] Page Title' = 'Cart' and properties ->> 'Is Member? (50%, a+b)' = 'yes'", True),
    ("cast(properties ->> 'price' as decimal(18, 2)) > 9", True),
    ("cast(properties ->> 'variant' as decimal(18, 2)) > 9", None),
    ("properties ->> 'variant' || '!' = 'b!'", True),
    ("event_name = 'a' or event_name = 'purchase' and is_bot or value = 19.5", True),
    ("true", True),
    ("is_bot", False),
    ("event_name = 'purchase' -- the shop's own\n", True),
    ("event_name /* which */ = 'purchase';", True),
]


@pytest.mark.parametrize(("text", "expected"), CONDITIONS)
def test_condition_has_the_expected_value(
    database: duckdb.DuckDBPyConnection, text: str, expected: bool | None
) -> None:
    assert compute(database, condition(text), EVENT) is expected


@pytest.mark.parametrize("text", [text for text, _ in CONDITIONS])
def test_condition_is_portable_sql(text: str) -> None:
    tree = condition(text)
    violations = find_violations(f"select event_id from events where {tree.sql('duckdb')}")
    assert {found.construct for found in violations} <= {"lower", "upper"}
    assert sqlglot.parse_one(tree.sql("spark"), dialect="spark") is not None


def test_failed_casts_give_null_on_both_engines() -> None:
    tree = condition("cast(properties ->> 'price' as decimal(18, 2)) > 9")
    assert "TRY_CAST" in tree.sql("duckdb")
    assert "TRY_CAST" in tree.sql("spark")


def test_condition_can_be_embedded_in_an_expression(database: duckdb.DuckDBPyConnection) -> None:
    either = condition("is_bot or event_name = 'purchase'")
    assert compute(database, exp.Not(this=either), EVENT) is False


def test_comments_are_dropped() -> None:
    assert condition("event_name = /* a */ 'purchase' -- b").sql("duckdb", comments=True) == "(event_name = 'purchase')"


def test_each_caller_gets_its_own_tree() -> None:
    condition("is_bot is true").set("this", None)
    assert condition("is_bot is true").sql("duckdb") == "(is_bot IS TRUE)"


REFUSED = [
    ("evnt_name = 'purchase'", "did you mean event_name?"),
    ("nothing_like_it = 'x'", "the columns are event_id, site"),
    ('event_name = "purchase"', "single quotes: 'purchase'"),
    ("event_name = page_view", "single quotes: 'page_view'"),
    ("event_name in ('search', page_view)", "single quotes: 'page_view'"),
    ("event_name in 'search'", "write a list of values, as in ('a', 'b')"),
    ("event_name = ['search', 'view']", "write a list of values, as in ('a', 'b')"),
    ("event_name = 'search' or 'view'", "write a comparison, such as event_name = 'view'"),
    ("is_bot && is_bot", "write and instead of &&"),
    ("page_path glob '/cart*'", "write like, where % stands for any text"),
    ("value / 100 > 3", "cast((line ->> 'cents') || 'e-2' as decimal(18, 6))"),
    ("value + 1 > 3", "arithmetic can overflow"),
    ("properties -> 'plan' = 'pro'", "write properties ->> 'key'"),
    ("properties['plan'] = 'pro'", "write properties ->> 'key'"),
    ("channel = 'email'", "channel is a column of sessions: use it in where_session of an outcome, or in breakdown"),
    ("contains(page_path, cart)", "click_id_type, search_term, element"),
    ("page_host = referer_host", "did you mean referrer_host?"),
    ("page_view", "write a comparison, such as event_name = 'page_view'"),
    ("is_bot or (page_view)", "write a comparison, such as event_name = 'page_view'"),
    ("event = 'purchase'", "did you mean event_name?"),
    ("url like '/cart%'", "did you mean page_url?"),
    ("properties.plan = 'pro'", "contains properties.plan; write properties ->> 'plan'"),
    ("properties.plan.name = 'pro'", "write properties ->> '$.plan.name'"),
    ("events.event_name = 'x'", "remove events"),
    ("event_name = ", "does not parse"),
    ("event_name = 'x", "close every quote"),
    ("event_name = 'a' event_name", "does not parse at 'event_name'"),
    ("event_name = 'a' as b", "does not parse at 'as'"),
    ("", "not one expression"),
    ("-- nothing", "not one expression"),
    ("is_bot; is_bot", "not one expression"),
    ("event_name = 'a'; drop table events", "does not parse at 'drop'"),
    ("select 1", "does not parse at 'select'"),
    ("(select true)", "contains SELECT TRUE"),
    ("event_name in (select 'a')", "remove (SELECT 'a')"),
    ("exists (select 1)", "contains EXISTS(SELECT 1)"),
    ("count(*) > 1", "contains COUNT(*)"),
    ("sum(value) > 1", "contains SUM(value)"),
    ("lower(event_name) filter (where is_bot) = 'a'", "cannot be used"),
    ("row_number() over (order by event_time) = 1", "ROW_NUMBER() OVER"),
    ("*", "contains *"),
    ("event_name = $name", "contains $name"),
    ("event_name = ?", "contains ?"),
    ("getenv('HOME') = 'x'", "contains GETENV('HOME')"),
    ("read_text('/etc/passwd') = 'x'", "contains READ_TEXT"),
    ("now() > event_time", "contains NOW()"),
    ("current_date > event_time", "contains CURRENT_DATE"),
    ("random() > 0.5", "contains RANDOM()"),
    ("properties -> 'variant' = 'b'", "cannot be used"),
    ("properties ->> event_name = 'b'", "properties ->> 'key'"),
    ("properties ->> '$.a[*].b' = 'b'", "properties ->> 'key'"),
    ("properties ->> 'items[0]' = 'b'", "no quote, backslash or index"),
    ("properties ->> '*' = 'b'", "no quote, backslash or index"),
    ("properties ->> '$.\"$browser\"' = 'b'", "no quote, backslash or index"),
    ("event_name ->> 'a' = 'b'", "only properties contains JSON"),
    ("properties -> 'a' ->> 'b' = 'c'", "write properties ->> 'key', or '$.key.inner' for a nested one"),
    ("line ->> 'a' = 'b'", "write properties ->> 'key'"),
    ("'a' || properties ->> 'b' = 'ab'", "put properties ->> 'b' in parentheses: (properties ->> 'b')"),
    ("event_name", "is not a condition"),
    ("value", "is not a condition"),
    ("null", "is not a condition"),
    ("event_name = 3 + 'x'", "contains 3 + 'x'"),
    ("value * 2 > 3", "contains value * 2"),
    ("-value < 0", "arithmetic can overflow"),
    ("event_name = 5", "mixes VARCHAR with INTEGER in event_name = 5"),
    ("event_name in ('a', 5)", "mixes VARCHAR with INTEGER"),
    ("value in ('a lot')", "mixes DECIMAL(18,6) with VARCHAR"),
    ("value = '5'", "mixes DECIMAL(18,6) with VARCHAR"),
    ("event_name and is_bot", "mixes VARCHAR with BOOLEAN"),
    ("not event_name", "mixes VARCHAR with BOOLEAN"),
    ("event_name is true", "mixes VARCHAR with BOOLEAN"),
    ("case when event_name then true end", "mixes BOOLEAN with VARCHAR"),
    ("event_time > '2024-01-01'", "as timestamp '2024-05-01 00:00:00'"),
    ("event_time > timestamp '2024-01-01 00:00:00+02:00'", "a constant time in UTC"),
    ("event_time > timestamp '2024-13-01'", "cannot be computed"),
    ("lower(value) = 'x'", "lower(DECIMAL(18,6))"),
    ("user_id = null", "write is null"),
    ("user_id in (null)", "write is null"),
    ("event_name in ()", "as in ('a', 'b')"),
    ("value between symmetric 2 and 1", "remove symmetric"),
    (r"page_path like '/a\_b'", "without backslash"),
    ("page_path like event_name", "write the pattern as 'text'"),
    ("page_path similar to 'a'", "cannot be used"),
    ("page_path glob 'a'", "cannot be used"),
    ("regexp_matches(page_path, '(?=a)')", "invalid perl operator"),
    ("regexp_matches(page_path, '(')", "missing )"),
    ("regexp_matches(page_path, '[[:alpha:]]')", "engines interpret it differently"),
    ("regexp_matches(page_path, 'a', 'i')", "remove 'i'"),
    ("regexp_matches(page_path, event_name)", "write the pattern as 'text'"),
    ("split_part(page_path, '', 1) = 'a'", "write the separator as 'text'"),
    ("split_part(page_path, event_name, 1) = 'a'", "write the separator as 'text'"),
    ("split_part(page_path, '/', 9999999999) = 'a'", "write the part number"),
    ("split_part(page_path, '/', 0) = 'a'", "write the part number"),
    ("split_part(page_path, '/', status_code) = 'a'", "write the part number"),
    ("cast(properties ->> 'n' as bigint) = 2", "cast to varchar, boolean or decimal(18, 6)"),
    ("cast(properties ->> 'n' as double) = 2", "cast to varchar, boolean or decimal(18, 6)"),
    ("cast(properties ->> 'n' as decimal(38, 6)) = 2", "18 digits are enough"),
    ("cast('abc' as decimal(18, 6)) = 2", "cannot be computed"),
    ("cast(event_time as boolean)", "write is not null"),
    ("value > 1e3", "at most 18 digits"),
    ("value > 1234567890123456789", "at most 18 digits"),
    ("if(is_bot, true, false)", "case when"),
    ("not " * 2000 + "is_bot", "nested too deeply; nest at most 30"),
    ("is_bot or " * 2000 + "is_bot", "has 20,006 characters; write at most 10,000"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[text[:60] for text, _ in REFUSED])
def test_invalid_condition_is_rejected(text: str, expected: str) -> None:
    assert expected in complaint(text)


LONG = "x" * 3000
WITH_A_LONG_NAME = [
    f"{LONG} = 1",
    f"event_name = {LONG}",
    LONG,
    f'"{LONG}" = 2',
    f"properties.{LONG} = 'a'",
    f"event_name {LONG}",
    f"regexp_matches(event_name, '({LONG}')",
    f"cast('{LONG}' as decimal(18, 6)) = 1",
]


@pytest.mark.parametrize("text", WITH_A_LONG_NAME, ids=[text[:40] for text in WITH_A_LONG_NAME])
def test_error_shortens_a_long_name_or_text(text: str) -> None:
    assert "x" * 40 in complaint(text)
    assert len(complaint(text)) < 700


TOO_DEEP = [
    "(" * 3000 + "is_bot" + ")" * 3000,
    "/* ' */" + "(" * 3000 + "is_bot" + ")" * 3000 + "/* ' */",
    "(" * 9999,
    "[" * 9999,
    "case " * 1500,
    "lower(" * 500 + "event_name" + ")" * 500 + " = 'a'",
    "status_code = " + "- " * 4000 + "1",
    "event_name" + " is null" * 1000,
    " = ".join(["is_bot"] * 1000),
    " || ".join(["event_name"] * 600) + " = 'a'",
    "event_name" + "::varchar" * 1000 + " = 'a'",
    "interval " * 1000,
    "any " * 2000,
]


@pytest.mark.parametrize("text", TOO_DEEP, ids=[text[:20] for text in TOO_DEEP])
def test_deep_nesting_is_rejected_within_a_second(text: str) -> None:
    started = thread_time()
    assert "is nested too deeply; nest at most 30 parentheses, case or not in one another" in complaint(text[:10_000])
    assert thread_time() - started < 1


def names(count: int) -> str:
    return " or ".join(f"event_name = 'e{number}'" for number in range(count))


def test_long_or_chain_takes_linear_time(database: duckdb.DuckDBPyConnection) -> None:
    condition("is_bot or is_bot")  # warm up: the first call initializes shared state
    taken = {}
    for count in (100, 400):
        started = thread_time()
        tree = condition(f"{names(count)} or is_bot")
        taken[count] = thread_time() - started
        assert compute(database, tree, {"event_name": f"e{count - 1}", "is_bot": False}) is True
        assert compute(database, tree, {"event_name": f"e{count}", "is_bot": False}) is False
        assert compute(database, tree, {"event_name": f"e{count}", "is_bot": None}) is None
    assert taken[400] < 3, taken  # a cost in the square of the length takes a minute


def test_long_chain_keeps_its_meaning(database: duckdb.DuckDBPyConnection) -> None:
    """Long chains become shallow trees. Shorter chains and other operators inside them keep their place."""
    parts = [f"(event_name = 'e{number}' and (page_path = '/' or status_code = {number}))" for number in range(20)]
    tree = condition(" or ".join(parts))
    assert compute(database, tree, {"event_name": "e7", "page_path": "/x", "status_code": 7}) is True
    assert compute(database, tree, {"event_name": "e7", "page_path": "/x", "status_code": 8}) is False
    assert compute(database, tree, {"event_name": "e7", "page_path": "/", "status_code": 8}) is True
    every = condition(" and ".join(f"({part})" for part in (names(12), "not is_bot", *["status_code > 1"] * 9)))
    assert compute(database, every, {"event_name": "e11", "is_bot": False, "status_code": 2}) is True
    assert compute(database, every, {"event_name": "e11", "is_bot": True, "status_code": 2}) is False


def test_value_must_be_a_number() -> None:
    with pytest.raises(SettingsError, match=r"^goals\[0\]\.value is not a number; write value"):
        parse_number("event_name", EVENT_CONDITION_COLUMNS, key="goals[0].value")


def test_scalar_may_have_any_type(database: duckdb.DuckDBPyConnection) -> None:
    variant = parse_scalar("properties ->> 'variant'", EVENT_CONDITION_COLUMNS, key="dimensions.variant")
    assert compute(database, variant, EVENT) == "b"
    with pytest.raises(SettingsError, match=r"^dimensions\.variant is always null"):
        parse_scalar("null", EVENT_CONDITION_COLUMNS, key="dimensions.variant")


def test_session_conditions_use_session_columns() -> None:
    tree = parse_condition("page_view_count >= 2 and duration_seconds > 1.5", SESSION_CONDITION_COLUMNS, key="x")
    assert tree.sql("duckdb") == "((page_view_count >= 2) AND (duration_seconds > 1.5))"
    with pytest.raises(SettingsError, match="names an unknown column 'event_name'"):
        parse_condition("event_name = 'a'", SESSION_CONDITION_COLUMNS, key="x")


@pytest.mark.parametrize("text", ["cast(duration_seconds as varchar) = '1'", "duration_seconds || 's' = '1.0s'"])
def test_seconds_become_text_only_as_decimals(text: str) -> None:
    with pytest.raises(SettingsError, match=r"cast to decimal\(18, 6\) first"):
        parse_condition(text, SESSION_CONDITION_COLUMNS, key="x")
    rounded = text.replace("duration_seconds", "cast(duration_seconds as decimal(18, 6))")
    parse_condition(rounded, SESSION_CONDITION_COLUMNS, key="x")


def test_too_little_memory_is_not_an_error_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    small = duckdb.connect(config={"memory_limit": "1MB", "temp_directory": ""})
    monkeypatch.setattr(probe, "_database", lambda: small)
    with small, pytest.raises(MemoryTooSmallError, match="let the process use more memory"):
        probe.ask("select list(i) from range(1000000) as numbers(i)")
