"""Tests the times of events: their notations, time zones and clock changes."""

from bisect import bisect_right
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from session_pipeline.reference.days import zone
from session_pipeline_tests.ingesting import EVENT, RULES, Ingest

TIMES: list[tuple[object, str]] = [
    ("2024-03-01T12:00:00Z", "2024-03-01 12:00:00"),
    ("2024-03-01 12:00Z", "2024-03-01 12:00:00"),
    ("2024-03-01 12:00:00.5 UTC", "2024-03-01 12:00:00.500000"),
    ("2024-03-01T12:00:00+02:00", "2024-03-01 10:00:00"),
    ("2024-03-01T12:00:00.123456789+0200", "2024-03-01 10:00:00.123456"),
    ("2024-03-01 12:00:00 -05:30", "2024-03-01 17:30:00"),
    ("2024-03-01T12:00:00-00", "2024-03-01 12:00:00"),
    ("2024-03-01T12:00:00", "2024-03-01 12:00:00"),
    ("2024-02-29", "2024-02-29 00:00:00"),
    ("2024-02-29T24:00:00Z", "2024-03-01 00:00:00"),
    ("2024-02-29t12:00:00z", "2024-02-29 12:00:00"),
    ("2024-02-29t12:00:00.25+01:00", "2024-02-29 11:00:00.250000"),
    ("2024-02-29t12:00", "2024-02-29 12:00:00"),
    ("2016-12-31T23:59:60Z", "2017-01-01 00:00:00"),
    ("2016-12-31 23:59:60.7 UTC", "2017-01-01 00:00:00"),
    ("2016-12-31T15:59:60.5-0800", "2017-01-01 00:00:00"),
    ("2016-12-31T23:59:60", "2017-01-01 00:00:00"),
    ("2024-03-01T12:00:00+23:59", "2024-02-29 12:01:00"),
    ("2024-03-01T12:00:00-23:59", "2024-03-02 11:59:00"),
    ("2024-03-01T12:00:00-15", "2024-03-02 03:00:00"),
    ("2024-03-01T12:00:00 +1530", "2024-02-29 20:30:00"),
    (1709294400, "2024-03-01 12:00:00"),
    ("1709294400", "2024-03-01 12:00:00"),
    (1709294400.123456, "2024-03-01 12:00:00.123456"),
    ("1709294400.1234567", "2024-03-01 12:00:00.123456"),
    (1709294400123, "2024-03-01 12:00:00.123000"),
    ("1709294400123.456", "2024-03-01 12:00:00.123456"),
    (1709294400123456, "2024-03-01 12:00:00.123456"),
    (1.7e9, "2023-11-14 22:13:20"),
    ("100000000000", "1973-03-03 09:46:40"),
    ("100000000000000", "1973-03-03 09:46:40"),
    ("-1", "1969-12-31 23:59:59"),
]


def test_time_is_iso_8601_or_epoch_number(each_way_of_columns: Ingest) -> None:
    lines = [{**EVENT, "event_time": written} for written, _ in TIMES]
    taken = each_way_of_columns.take_lines(*lines, rules=replace(RULES, earliest=datetime(1900, 1, 1)))
    assert [str(time) for time in taken.column("event_time")] == [meant for _, meant in TIMES]


NO_TIMES: list[object] = [
    "yesterday", "epoch", "infinity", "NaN", "now", "today", " ", "12:00", "2024-02-30T12:00:00Z", "2023-02-29",
    "2024-03-01T12:00:61Z", "2024-03-01T12:00:60.Z", "2024-02-30T23:59:60Z", "2024-03-01T12:60:60Z",
    "2024-03-01T24:00:60Z", "2024-03-01T12:00:00+24:00", "2024-03-01T12:00:00+00:60",
    "2024-03-01T25:00:00Z", "2024-03-01T12", "20240301T250000Z", "20240301T12", "01/03/2024 12:00",
    "2024-03-01T12:00:00 Europe/Berlin", "2024-03-01T12:00:00+25:00", "2024-03-01T12:00:00+02:00:30", "1e400",
    "12024-03-01T12:00:00Z", "2024-03-01T12:00:00Z; drop table read_lines", "100000000000000000", True, [1], {},
]  # fmt: skip


def test_other_values_are_invalid_times(each_way_of_columns: Ingest) -> None:
    taken = each_way_of_columns.take_lines(*({**EVENT, "event_time": written} for written in NO_TIMES))
    assert taken.events == []
    assert taken.reading.reasons == {"invalid_event_time": len(NO_TIMES)}
    assert taken.quarantined[0]["detail"] == "event_time: yesterday"


FORMATS = [
    ("%d.%m.%Y %H:%M:%S", "20.11.2026 18:10:00", "2026-11-20 18:10:00"),
    ("%d.%m.%Y %H:%M:%S", "1.2.2026 8:05:00", "2026-02-01 08:05:00"),
    ("%m/%d/%Y %I:%M:%S %p", "11/20/2026 06:10:00 PM", "2026-11-20 18:10:00"),
    ("%m/%d/%Y, %I:%M %p", "2/1/2026, 12:10 am", "2026-02-01 00:10:00"),
    ("%d.%m.%y %H:%M:%S.%f", "20.11.26 18:10:00.25", "2026-11-20 18:10:00.250000"),
    ("%d %B %Y", "20 November 2026", "2026-11-20 00:00:00"),
]


@pytest.mark.parametrize(("time_format", "written", "meant"), FORMATS)
def test_time_in_the_format_of_its_source(
    each_way_of_columns: Ingest, time_format: str, written: str, meant: str
) -> None:
    taken = each_way_of_columns.take_lines(
        {**EVENT, "event_time": written}, rules=replace(RULES, time_format=time_format)
    )
    assert [str(time) for time in taken.column("event_time")] == [meant]


def test_time_in_another_format_is_invalid(each_way_of_columns: Ingest) -> None:
    times = ["2026-11-20T18:10:00Z", "11/20/2026 18:10:00", "31.02.2026 18:10:00", "20.11.2026", "infinity", 1795198200]
    lines = ({**EVENT, "event_time": time} for time in times)
    taken = each_way_of_columns.take_lines(*lines, rules=replace(RULES, time_format="%d.%m.%Y %H:%M:%S"))
    assert taken.events == []
    found = [(row["reason"], row["detail"]) for row in taken.quarantined]
    assert found == [("invalid_event_time", f"event_time: {time}") for time in times]


def test_time_in_a_format_is_local_to_the_source(each_way_of_columns: Ingest) -> None:
    rules = replace(RULES, time_format="%d.%m.%Y %H:%M:%S", timezone="Europe/Berlin")
    lines = [{**EVENT, "event_time": written} for written in ("27.10.2024 02:30:00", "31.03.2024 02:30:00")]
    taken = each_way_of_columns.take_lines(*lines, rules=rules)
    assert [str(time) for time in taken.column("event_time")] == ["2024-10-27 00:30:00", "2024-03-31 01:30:00"]


def test_format_applies_to_the_value_of_an_expression(each_way_of_columns: Ingest) -> None:
    joined = "(line ->> 'day') || ' ' || (line ->> 'clock')"
    rules = replace(RULES, time_format="%d.%m.%Y %H:%M", expressions={"event_time": joined})
    taken = each_way_of_columns.take_lines(
        {**EVENT, "event_time": None, "day": "20.11.2026", "clock": "18:10"}, rules=rules
    )
    assert [str(time) for time in taken.column("event_time")] == ["2026-11-20 18:10:00"]


LOCAL_TIMES = [
    ("2024-01-15 12:00:00", "2024-01-15 11:00:00"),
    ("2024-07-15 12:00:00", "2024-07-15 10:00:00"),
    ("2024-07-15T12:00:00Z", "2024-07-15 12:00:00"),
    ("2024-03-31 01:59:59.999999", "2024-03-31 00:59:59.999999"),
    ("2024-03-31 02:30:00", "2024-03-31 01:30:00"),  # skipped hour: the offset before the change applies
    ("2024-03-31 03:00:00", "2024-03-31 01:00:00"),
    ("2024-10-27 02:30:00", "2024-10-27 00:30:00"),  # repeated hour: the first of the two
    ("2024-10-27 03:00:00", "2024-10-27 02:00:00"),
    ("2099-07-15 12:00:00", "2099-07-15 10:00:00"),
    ("2024-07-15t12:00:00", "2024-07-15 10:00:00"),
    ("2024-10-27 01:59:60", "2024-10-27 00:00:00"),
]


def test_time_without_offset_is_local_to_the_source(each_way_of_columns: Ingest) -> None:
    lines = [{**EVENT, "event_time": written} for written, _ in LOCAL_TIMES]
    taken = each_way_of_columns.take_lines(*lines, rules=replace(RULES, timezone="Europe/Berlin"))
    assert [str(time) for time in taken.column("event_time")] == [meant for _, meant in LOCAL_TIMES]


@pytest.mark.parametrize(
    "name", ["Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca", "Pacific/Apia", "America/Havana"]
)
def test_local_clock_equals_python_around_every_change(name: str) -> None:
    starts, offsets = replace(RULES, timezone=name, earliest=datetime(2005, 1, 1)).local_clock
    assert len(starts) == len(offsets) > 10
    for change in starts[1:]:
        for seconds in (*range(-10_800, 10_801, 900), -1, 1):
            local = change + timedelta(seconds=seconds)
            expected = local.replace(tzinfo=zone(name)).utcoffset()
            assert timedelta(seconds=offsets[bisect_right(starts, local) - 1]) == expected
