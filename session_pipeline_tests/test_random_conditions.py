"""Tests that random conditions and numbers of the settings never fail on a row."""

import json
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from session_pipeline.errors import SettingsError
from session_pipeline.reference.column_groups import EVENT_CONDITION_COLUMNS
from session_pipeline.settings.conditions import parse_number
from session_pipeline_tests.test_conditions import compute, condition


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


@pytest.mark.long
@given(st.text(max_size=40))
def test_quoted_text_is_data(database: duckdb.DuckDBPyConnection, name: str) -> None:
    quoted = name.replace("'", "''")
    assert compute(database, condition(f"event_name = '{quoted}'"), {"event_name": name}) is True
    assert compute(database, condition(f"event_name = '{quoted}'"), {"event_name": f"{name}."}) is False


@given(st.text(alphabet="abeinotuv_$'\"`;:,.*?()[]{}<>=-+/\\|&%#@!~ \n0159", max_size=30))
def test_any_text_gives_a_tree_or_an_error(text: str) -> None:
    try:
        condition(text)
    except SettingsError as error:
        assert str(error).startswith("funnels[0].steps[1].where ")  # noqa: PT017 - most of these texts are refused


TEXTS = st.sampled_from(
    [
        "event_name",
        "page_path",
        "properties ->> 'x'",
        "'a'",
        "''",
        "lower(event_name)",
        "split_part(page_path, '/', 2)",
        "cast(status_code as varchar)",
        "coalesce(user_id, event_name)",
    ]
)


NUMBERS = st.sampled_from(
    [
        "value",
        "status_code",
        "sequence",
        "length(page_path)",
        "cast(properties ->> 'x' as decimal(18, 6))",
        "cast(properties ->> 'x' as decimal(18, 18))",
        "0",
        "-1.5",
        "999999999999999999",
        "0.000000000000000001",
        "coalesce(value, sequence)",
        "nullif(sequence, value)",
        "case when is_bot then sequence else value end",
    ]
)


COMPARISONS = st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "is distinct from"])


SIMPLE = st.one_of(
    st.just("is_bot"),
    st.builds("{} {} {}".format, TEXTS, COMPARISONS, TEXTS),
    st.builds("{} {} {}".format, NUMBERS, COMPARISONS, NUMBERS),
    st.builds("{} between {} and {}".format, NUMBERS, NUMBERS, NUMBERS),
    st.builds("{} in ({}, {})".format, NUMBERS, NUMBERS, NUMBERS),
    st.builds("{} not in ({}, {})".format, TEXTS, TEXTS, TEXTS),
    st.builds("{} like '%a_'".format, TEXTS),
    st.builds("{} is null".format, TEXTS | NUMBERS),
    st.just("cast(properties ->> 'x' as boolean)"),
)


WHOLE = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds("({}) and {}".format, inner, inner),
        st.builds("{} or {}".format, inner, inner),
        st.builds("not ({})".format, inner),
        st.builds("case when {} then {} else {} end".format, inner, inner, inner),
    ),
    max_leaves=5,
)


ROWS = st.fixed_dictionaries(
    {
        "event_name": st.sampled_from([None, "", "a", "1", "true", "\0", "İß"]),
        "page_path": st.sampled_from([None, "/", "/a/b", "a%_\\"]),
        "user_id": st.sampled_from([None, "2024-01-01"]),
        "value": st.sampled_from([None, Decimal(0), Decimal("999999999999.999999"), Decimal("-999999999999.999999")]),
        "status_code": st.sampled_from([None, 0, 2**63 - 1, -(2**63)]),
        "sequence": st.sampled_from([None, 0, 2**63 - 1, -(2**63)]),
        "is_bot": st.sampled_from([None, True, False]),
        "properties": st.sampled_from([None, "nan", "1e17", "-9" * 9, "0.9", "yes", "", "1" * 40]).map(
            lambda x: None if x is None else json.dumps({"x": x})
        ),
    }
)


@pytest.mark.long
@settings(deadline=None)
@given(WHOLE, ROWS)
def test_condition_never_fails_on_a_row(database: duckdb.DuckDBPyConnection, text: str, row: dict[str, Any]) -> None:
    assert compute(database, condition(text), row) in (True, False, None)


@given(NUMBERS, ROWS)
def test_number_is_decimal_or_null_on_any_row(
    database: duckdb.DuckDBPyConnection, text: str, row: dict[str, Any]
) -> None:
    number = compute(database, parse_number(text, EVENT_CONDITION_COLUMNS, key="goals[0].value"), row)
    assert number is None or isinstance(number, Decimal)
