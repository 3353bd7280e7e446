"""Tests ingest of whole files: public data, a file for each day, the same bytes each time, and the logic version."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from session_pipeline.ingest.mapping import rules as rules_module
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.reference.channels import click_id_types
from session_pipeline.settings import packaged_recognitions
from session_pipeline_tests.ingesting import EVENT, KEY, RULES, Ingest, Row, as_csv
from session_pipeline_tests.oracles.published_cases import FIXTURES

# Files


def test_values_are_never_executed(each_way: Ingest) -> None:
    evil = "'); drop table read_lines; select ('"
    rules = ReadingRules(
        source=evil,
        site=evil,
        earliest=RULES.earliest,
        columns={"visitor_id": evil},
        constants={"event_name": evil},
        drop_properties=(evil, "(", "\\"),
        keep_query_parameters=(evil,),
    )
    [event] = each_way.take_lines({evil: evil, "event_time": "2024-03-01", "(": 1}, rules=rules).events
    assert {event[name] for name in ("source", "site", "visitor_id", "event_name")} == {evil}
    assert event["properties"] is None
    rows = [[evil, "event_time"], [evil, "2024-03-01"]]
    assert len(each_way.take(as_csv(*rows), "a.csv", replace(rules, delimiter=",")).events) == 1


def test_each_utc_date_is_a_separate_file(each_way: Ingest) -> None:
    times = [f"2024-{month:02}-01T{hour:02}:{minute:02}:00Z" for minute in (0, 14, 15) for hour in (23, 0)
             for month in range(1, 13)]  # fmt: skip
    taken = each_way.take_lines(*({**EVENT, "event_time": time} for time in times))
    days = taken.reading.days
    assert [day.utc_date for day in days] == [date(2024, month, 1) for month in range(1, 13)]
    assert {(day.row_count, day.quarters) for day in days} == {(6, (0, 1, 92, 93))}
    for day in days:
        rows = pq.ParquetFile(day.path).read().to_pylist()
        assert [row["event_time"].date() for row in rows] == [day.utc_date] * 6
        assert [row["line_number"] for row in rows] == sorted(row["line_number"] for row in rows)
    assert taken.reading.first_event_time == datetime(2024, 1, 1)
    assert taken.reading.last_event_time == datetime(2024, 12, 1, 23, 15)


@pytest.mark.long
@pytest.mark.parametrize("date_count", [pytest.param(2, marks=pytest.mark.nightly), 40])
def test_bytes_do_not_depend_on_thread_count(tmp_path: Path, date_count: int) -> None:
    lines = []
    for number in range(60_000):
        if number % 100 == 7:
            lines.append("" if number % 200 == 7 else "{bad")
        time = str(datetime(2024, 3, 1, 10) + timedelta(days=number * 7 % date_count, seconds=number % 60))
        fields = {"event_time": time, "visitor_id": number * 7919 % 1000, "plan": "x" * (number % 9)}
        lines.append(json.dumps(EVENT | fields | ({"event_id": number} if number % 3 else {})))
    content = "\n".join(lines).encode()
    found: list[list[bytes]] = []
    for threads in (1, 2, 2):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        ingest = Ingest(folder, threads)
        reading = ingest.take(content).reading
        assert reading.quarantine_path is not None
        found.append([path.read_bytes() for path in (reading.quarantine_path, *(day.path for day in reading.days))])
        ingest.close()
    assert len(found[0]) == 1 + date_count
    assert found[0] == found[1] == found[2]


def test_fingerprint_covers_all_reading_rules() -> None:
    changes: list[Row] = [
        {"source": "shop"}, {"site": "b"}, {"format": "csv"}, {"columns": {"user_id": "uid"}},
        {"constants": {"currency": "EUR"}}, {"timezone": "Asia/Tokyo"}, {"clock_tolerance_minutes": 5},
        {"delimiter": ";"}, {"keep_query_parameters": ()}, {"drop_properties": ()}, {"earliest": datetime(2021, 1, 1)},
        {"log_format": "common"}, {"visitor_address": "ip"}, {"host": "shop.example"},
    ]  # fmt: skip
    fingerprints = [RULES.fingerprint("csv"), *(replace(RULES, **change).fingerprint("csv") for change in changes)]
    assert len(set(fingerprints)) == len(fingerprints)


# Public fixtures


def fixture(name: str) -> bytes:
    path = FIXTURES / name
    if not path.exists():
        pytest.skip(f"shared/fixtures/{name} is not here")
    return path.read_bytes()


def test_nasa_log_is_accepted_completely(each_way_of_columns: Ingest) -> None:
    rules = ReadingRules(
        source="nasa",
        earliest=datetime(1990, 1, 1),
        columns={"visitor_id": "host", "event_time": "time", "page_url": "url", "status_code": "response"},
        constants={"event_name": "page_view"},
        visitor_key=KEY,
    )
    taken = each_way_of_columns.take(fixture("nasa_http_19950801/nasa_19950801.tsv"), "nasa.tsv", rules)
    assert (taken.admitted.line_count, taken.reading.accepted_count) == (30_969, 30_969)
    assert len({event["visitor_id"] for event in taken.events}) == 2_159  # of 2,365 hosts; addresses count by network
    assert [event["status_code"] for event in taken.events].count(404) == 221


@pytest.mark.long
def test_shop_is_accepted_completely(each_way: Ingest) -> None:
    columns = {"visitor_id": "user_id", "user_id": "user_id", "client_session_id": "session_id", "event_name": "event",
               "event_time": "timestamp"}  # fmt: skip
    rules = replace(RULES, columns=columns)
    taken = each_way.take(fixture("retentioneering_ecom/ecom.csv.gz"), "ecom.csv.gz", rules)
    assert (taken.reading.accepted_count, taken.reading.set_aside_count) == (31_106, 0)
    assert {event["user_id"] for event in taken.events} == {event["visitor_id"] for event in taken.events}
    properties = json.loads(taken.events[0]["properties"])
    assert set(properties) == {"platform", "acquisition_channel", "user_cohort", "user_lifecycle"}


# The logic version


def test_logic_version_stands_for_this_source() -> None:
    """If this fails, raise LOGIC_VERSION if rows can change, and write down the new hash."""
    ingest = Path(rules_module.__file__).parent.parent
    logs = [ingest.parent / "reference" / name for name in ("log_formats.py", "log_values.py")]
    recognition = [ingest / "admission" / name for name in ("recognition.py", "wrapped_records.py")]
    folders = [*(ingest / name for name in ("formats", "mapping", "reading"))]
    modules = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    paths = [*modules, *recognition, *logs, ingest / "sql.py", *sorted(ingest.rglob("*.sql"))]
    source = "".join("".join(path.read_text().split()) for path in paths)
    # How presets are recognized decides how files are read. Their other keys are settings, which fingerprints have.
    source += repr({name: vars(found) for name, found in packaged_recognitions().items()})
    source += repr(click_id_types())
    assert (rules_module.LOGIC_VERSION, sha256(source.encode()).hexdigest()[:16]) == (26, "9905c19a6215e21d")
