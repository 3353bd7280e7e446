"""Tests which keys are suggested for the times of a file, and for values with a decimal comma."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import duckdb
import pytest

from session_pipeline.ingest.admission.wrapped_records import Number
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.trial.sampled_fields import fields_in
from session_pipeline.trial.suggested_keys import suggested_keys
from session_pipeline.trial.suggested_times import AS_UTC, time_keys
from session_pipeline.trial.suggestions import needs_decimal_comma, suggested_columns
from session_pipeline_tests.ingesting import RULES

pytestmark = pytest.mark.long  # further cases of what the usual tests cover

Keys = Callable[..., tuple[Mapping[str, Any], list[str]]]


@pytest.fixture(scope="module")
def keys() -> Keys:
    """A function that returns the suggested keys for times and values of some lines, and the remarks."""

    def suggested(*lines: Mapping[str, Any], rules: ReadingRules = RULES) -> tuple[Mapping[str, Any], list[str]]:
        with duckdb.connect() as connection:
            fields = fields_in(lines, rules, connection)
        columns = suggested_columns(fields, rules, frozenset())
        found, remarks = time_keys(fields, rules, columns, rules.earliest.date())
        comma = {"decimal_comma": True} if needs_decimal_comma(fields, rules, columns) else {}
        named = {ours: columns[ours] for ours in ("event_time", "value") if ours in columns}
        return {**named, **found, **comma}, remarks

    return suggested


JOINED = "(line ->> 'date') || ' ' || (line ->> 'time')"


def test_date_and_time_of_day_are_joined(keys: Keys) -> None:
    lines = [{"date": "2026-11-20", "time": clock, "n": "5"} for clock in ("10:00:00", "10:01:00")]
    assert keys(*lines) == ({"expressions": {"event_time": JOINED}}, [])
    nested = {"at": {"event_date": "2026/11/20", "event_time": "10:00"}}
    joined = "(line ->> 'at.event_date') || ' ' || (line ->> 'at.event_time')"
    assert keys(nested) == ({"expressions": {"event_time": joined}}, [])
    local = {"date": "20.11.2026", "time": "10:00"}
    assert keys(local) == ({"expressions": {"event_time": JOINED}, "time_format": "%d.%m.%Y %H:%M"}, [])
    assert keys({**lines[0], "ts": "2026-11-20T10:00:00Z"}) == ({"event_time": "ts"}, [])


@pytest.mark.parametrize(
    ("day", "clock"), [("Datum", "Uhrzeit"), ("Fecha", "Hora"), ("Data", "Ora"), ("Date", "Heure")]
)
def test_usual_dates_and_times_of_other_languages_are_joined(keys: Keys, day: str, clock: str) -> None:
    line = {"Birth": "2001-02-03", day: "2026-11-20", clock: "10:00:00", "Zero": "00:02:10"}
    assert keys(line) == ({"expressions": {"event_time": JOINED.replace("date", day).replace("time", clock)}}, [])


@pytest.mark.parametrize(
    ("line", "is_local"),
    [
        ({"ts": "2026-11-20 10:00:00"}, True),
        ({"ts": "2026-11-20T10:00:00.123"}, True),
        ({"ts": "2026-11-20 10:00"}, True),
        ({"ts": "20.11.2026 10:00:00"}, True),
        ({"ts": "11/20/2026 10:00 PM"}, True),
        ({"date": "2026-11-20", "time": "10:00:00"}, True),
        ({"event_time": "2026-11-20 10:00:00"}, True),
        ({"ts": "2026-11-20T10:00:00Z"}, False),
        ({"ts": "2026-11-20T10:00:00.5-05:00"}, False),
        ({"ts": "2026-11-20 10:00:00+0100"}, False),
        ({"ts": "Fri, 20 Nov 2026 10:00:00 GMT"}, False),
        ({"ts": Number("1795168800")}, False),
        ({"ts": "2019-11-20 10:00:00"}, False),
    ],
)
def test_times_without_an_offset_are_named(line: Mapping[str, Any], is_local: bool) -> None:
    """Unless the time zone is known: that of the source, or that of a preset."""
    with duckdb.connect() as connection:
        fields = fields_in([{**line, "visitor_id": "v1", "event_name": "page_view"}], RULES, connection)
    suggest = partial(suggested_keys, fields, RULES, frozenset({"visitor_id", "event_name"}), RULES.earliest.date())
    assert (AS_UTC in suggest().remarks) == is_local
    assert AS_UTC not in suggest(has_timezone=True).remarks
    assert AS_UTC not in suggest(has_preset=True).remarks


def test_date_without_a_time_of_day_is_not_suggested(keys: Keys) -> None:
    midnight = "all events of a day would be at midnight"
    assert keys({"date": "2026-11-20"}) == ({}, [f"date has no time of day: {midnight}"])
    found = keys({"date": "2026-11-20", "start": "10:00", "end": "11:00"})
    assert found == ({}, [f"date has no time of day; it could be in end or start: {midnight}"])


@pytest.mark.parametrize("time", ["2019-11-20T18:10:00Z", "804571201"])
def test_times_before_start_date_are_suggested(keys: Keys, time: str) -> None:
    line = {"ts": time, "n": Number("20240305")}
    assert keys(line, rules=replace(RULES, earliest=datetime(2020, 1, 1))) == (
        {"event_time": "ts"},
        ["ts has times before start_date 2020-01-01; set start_date to an earlier day"],
    )


def test_local_times_are_suggested_with_their_format(keys: Keys) -> None:
    written = {"event_time": "20.11.2026 18:10:00"}
    assert keys(written) == ({"time_format": "%d.%m.%Y %H:%M:%S"}, [])
    assert keys(written, rules=replace(RULES, time_format="%d.%m.%Y %H:%M:%S")) == ({}, [])
    assert keys({"event_time": "Nov 20, 2026 6:10:00 PM"}) == ({"time_format": "%b %d, %Y %I:%M:%S %p"}, [])
    american = {"Timestamp": "11/20/2026 06:10:00 PM"}
    assert keys(american) == ({"event_time": "Timestamp", "time_format": "%m/%d/%Y %I:%M:%S %p"}, [])
    either = 'time_format = "%d/%m/%Y %H:%M" and time_format = "%m/%d/%Y %H:%M"'
    assert keys({"event_time": "11/12/2026 18:10"}) == (
        {},
        [f"the times in event_time fit {either}; write the right one into the source"],
    )


@pytest.mark.parametrize("other", ["Summe", "13.05.2026", "05.13.2026 10:00:00"])
def test_local_times_are_suggested_although_one_value_is_no_such_time(keys: Keys, other: str) -> None:
    times = [f"{day:02}.05.2026 10:00:00" for day in range(1, 31)]
    lines = [{"event_time": time} for time in times]
    assert keys(*lines, {"event_time": other}) == ({"time_format": "%d.%m.%Y %H:%M:%S"}, [])
    assert keys({"event_time": other}, *lines) == ({"time_format": "%d.%m.%Y %H:%M:%S"}, [])
    assert keys(*lines[:3], {"event_time": other}) == ({}, [])


def test_date_and_time_of_day_are_joined_although_one_value_is_neither(keys: Keys) -> None:
    lines = [{"date": f"{day:02}.11.2026", "time": "10:00"} for day in range(1, 31)]
    suggested = {"expressions": {"event_time": JOINED}, "time_format": "%d.%m.%Y %H:%M"}
    assert keys(*lines, {"date": "Total", "time": "(none)"}) == (suggested, [])


def test_rare_day_after_the_12th_shows_the_order(keys: Keys) -> None:
    lines = [{"event_time": f"0{day}/05/2026 10:00"} for day in range(1, 10)] * 10
    assert keys(*lines, {"event_time": "13/05/2026 10:00"}) == ({"time_format": "%d/%m/%Y %H:%M"}, [])


def test_decimal_comma_is_suggested(keys: Keys) -> None:
    time = {"event_time": "2026-11-20T10:00:00Z", "visitor_id": "v", "event_name": "a"}
    assert keys({**time, "value": "155,55"}, {**time, "value": "7"}) == ({"decimal_comma": True}, [])
    assert keys({**time, "revenue": "1.155,5"}) == ({"value": "revenue", "decimal_comma": True}, [])
    for value in ("1,155", "155.55", "12 EUR"):
        assert keys({**time, "value": value}) == ({}, [])


def test_decimal_comma_is_suggested_although_another_field_has_numbers(keys: Keys) -> None:
    line = {"event_time": "2026-11-20T10:00:00Z", "customer": "100", "event_name": "a", "revenue": "155,55"}
    assert keys(line) == ({"value": "revenue", "decimal_comma": True}, [])
    assert keys({**line, "amount": "7.5"}) == ({"value": "revenue", "decimal_comma": True}, [])
    assert keys({**line, "value": "155,55"}) == ({"decimal_comma": True}, [])
