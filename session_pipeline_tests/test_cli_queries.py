"""Tests the commands query, show and export: output, formats and exit codes."""

import json
import re
import resource
import subprocess
import sys
from datetime import datetime
from functools import partial
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from session_pipeline.cli import timeline
from session_pipeline.errors import WrongUseError
from session_pipeline.publish.macros import MACROS
from session_pipeline.reference.columns import BREAK_REASON
from session_pipeline.settings import parse_settings
from session_pipeline_tests.shop_commands import call


def test_query_writes_every_format(shop: Path, tmp_path: Path) -> None:
    sql = "select outcome, value, is_converted from session_outcomes order by value nulls last, session_id limit 2"
    _, table, _ = call("query", sql, "--data", shop)
    assert [line.split() for line in table.splitlines() if "─" not in line] == [
        ["outcome", "value", "is_converted"],
        ["purchase", "49.9", "true"],
        ["bounce", "NULL", "false"],
    ]
    _, written, _ = call("query", sql, "--format", "csv", "--data", shop)
    assert written == "outcome,value,is_converted\npurchase,49.900000,true\nbounce,,false\n"
    _, written, _ = call("query", sql, "--format", "json", "--data", shop)
    assert json.loads(written) == [
        {"outcome": "purchase", "value": 49.9, "is_converted": True},
        {"outcome": "bounce", "value": None, "is_converted": False},
    ]
    file = tmp_path / "out.parquet"
    assert call("query", sql, "--format", "parquet", "--output", file, "--data", shop)[0] == 0
    assert pq.read_table(file).column("outcome").to_pylist() == ["purchase", "bounce"]


def test_columns_with_equal_names_are_kept_with_numbers(shop: Path, tmp_path: Path) -> None:
    sql = "select 1 as a, 2 as a, 3 as A, 4 as a_1"
    _, written, _ = call("query", sql, "--format", "json", "--data", shop)
    assert json.loads(written) == [{"a": 1, "a_1": 2, "A_2": 3, "a_1_1": 4}]
    file = tmp_path / "out.parquet"
    assert call("query", sql, "--format", "parquet", "--output", file, "--data", shop)[0] == 0
    assert pq.read_table(file).to_pylist() == json.loads(written)
    with duckdb.connect() as connection:  # which names them in the same way
        connection.execute(f"copy ({sql}) to '{tmp_path / 'copy.json'}'")
    assert json.loads((tmp_path / "copy.json").read_text()) == json.loads(written)[0]


@pytest.mark.parametrize(
    "sql", ["select 1", "from sessions", "values (1)", "show tables", "describe sessions", "summarize sessions"]
)
def test_statement_that_only_reads_is_accepted(shop: Path, sql: str) -> None:
    code, out, err = call("query", sql, "--format", "csv", "--data", shop)
    assert (code, err) == (0, "")
    assert out


def test_query_lists_tables_and_columns(shop: Path) -> None:
    _, out, _ = call("query", "--tables", "--data", shop)
    assert "a session: an unbroken series of a visitor's events" in out
    _, out, _ = call("query", "--tables", "sessions", "--data", shop)
    assert "Why a session starts here" in out
    assert call("query", "--tables", "sesions", "--data", shop)[0] == 2
    code, _, err = call("query", "--tables", "identities", "--data", shop)
    assert (code, "the warehouse has no identities: the settings do not build it" in err) == (1, True)


def test_query_lists_macros_and_arguments(shop: Path) -> None:
    written = json.loads(call("query", "--tables", "--format", "json", "--data", shop)[1])
    assert [row["table"] for row in written if row["rows"] is None] == [f"{name}()" for name in MACROS]
    found = {row["table"]: row["one row is"] for row in written}
    assert found["wilson_low()"] == "a value: the lower bound of the Wilson interval of a rate"
    written = json.loads(call("query", "--tables", "ad_hoc_funnel", "--format", "json", "--data", shop)[1])
    assert [(row["argument"], row["default"]) for row in written][:2] == [
        ("given_steps", ""),
        ("window_seconds", "null"),
    ]


def test_grains_complete_the_heading_of_the_list_of_tables(shop: Path) -> None:
    written = json.loads(call("query", "--tables", "--format", "json", "--data", shop)[1])
    assert not [row for row in written if row["one row is"].startswith("One row")]


def test_query_prints_a_duckdb_error_in_one_line(shop: Path) -> None:
    code, _, err = call("query", "select nope from sessions", "--data", shop)
    assert code == 1
    assert 'Referenced column "nope" not found' in err
    assert len(err.splitlines()) == 1


def test_show_prints_the_timeline_of_a_session(shop: Path) -> None:
    _, out, _ = call("query", "select session_id from sessions where visitor_id = 'ann'", "-f", "csv", "--data", shop)
    session_id = out.splitlines()[1]
    code, story, _ = call("show", session_id[:12], "--data", shop)
    assert code == 0
    for part in (
        f"Session {session_id}  visitor ann, site main",
        "Tue 2024-03-05 23:50:00 to Wed 2024-03-06 00:06:00 UTC, 16 min; 4 events, 1 page view",
        "no event in the 30 minutes before; the visitor's first known session",
        "purchase, value 49.9 EUR: decided by event 4; the visitor did not return",
        "file 1 is raw/web/events.jsonl",
    ):
        assert part in story
    rows = [line.split() for line in story.splitlines()]
    assert ["2", "03-05", "23:55:00", "5", "min", "add_to_cart", "1:2"] in rows
    assert ["dropped:", "copy", "1:3"] in rows
    assert ["4", "03-06", "00:06:00", "1", "min", "purchase", "49.9", "EUR", "1:5", "◀", "purchase"] in rows
    assert json.loads(call("show", session_id, "--json", "--data", shop)[1])["events"][3]["line_number"] == 5


def test_show_lists_the_sessions_of_a_visitor_the_latest_first(shop: Path) -> None:
    count = "(select count(*) from session_actions as a where a.session_id = s.session_id) as actions"
    asked = f"select visitor_id, session_id, {count} from sessions as s order by started_at desc"
    found = json.loads(call("query", asked, "--format", "json", "--data", shop)[1])
    visitor = max((row["visitor_id"] for row in found), key=[row["visitor_id"] for row in found].count)
    expected = [(row["session_id"], row["actions"]) for row in found if row["visitor_id"] == visitor]
    assert len(expected) > 1
    listed = json.loads(call("show", visitor, "--json", "--data", shop)[1])
    assert (listed["visitor_id"], [(row["session_id"], row["action_count"]) for row in listed["sessions"]]) == (
        visitor,
        expected,
    )
    _, out, _ = call("show", visitor, "--limit", 1, "--data", shop)
    assert expected[0][0][:12] in out
    assert expected[1][0][:12] not in out
    assert "only the latest 1 session is listed; use --limit for more" in out
    code, _, err = call("show", visitor[:-1], "--data", shop)
    assert (code, "and no visitor has it; find one with: session-pipeline sessions" in err) == (2, True)


def test_every_reason_for_a_new_session_has_words() -> None:
    documented = BREAK_REASON.meaning.split(": ")[1].split(". ")[0]
    reasons = set(re.findall(r"\w+", documented)) - {"or"}
    assert {"inactivity", "utc_hour", "max_hours"} <= reasons
    assert {timeline._in_words(reason, parse_settings("")) for reason in reasons}.isdisjoint(reasons)


def test_show_marks_the_event_that_decided_among_those_with_the_same_id() -> None:
    morning, evening = datetime(2024, 3, 5, 10), datetime(2024, 3, 5, 10, 20)
    events = [{"event_id": "e9", "event_time": morning}, {"event_id": "e9", "event_time": evening}]
    outcome = {"deciding_event_id": "e9", "decided_at": evening}
    assert timeline._deciding({"outcome": outcome, "events": events}) is events[1]
    whole = {"deciding_event_id": None, "decided_at": None}
    assert timeline._deciding({"outcome": whole, "events": events}) is None


def test_show_leaves_out_the_middle_of_a_long_session_but_not_the_deciding_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timeline, "SHOWN_EVENTS", 2)
    events = [{"number": number} for number in range(1, 10)]
    assert list(timeline._shown(events, events[5])) == [
        (0, events[0]),
        (0, events[1]),
        (3, events[5]),
        (1, events[7]),
        (0, events[8]),
    ]
    assert list(timeline._shown(events, None)) == [(0, events[0]), (0, events[1]), (5, events[7]), (0, events[8])]
    assert list(timeline._shown(events[:4], None)) == [(0, event) for event in events[:4]]


def test_show_rejects_an_ambiguous_id_prefix() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("create table sessions as select unnest(['aa1', 'ab2', 'ab3']) as session_id")
        assert timeline._only(timeline._sessions_like(warehouse, "aa"), "aa")["session_id"] == "aa1"
        with pytest.raises(WrongUseError, match="ab2, ab3; give more of the id"):
            timeline._only(timeline._sessions_like(warehouse, "ab"), "ab")


def test_export_writes_a_full_copy_and_never_overwrites(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.duckdb"
    assert call("export", file, "--data", shop)[0] == 0
    with (
        duckdb.connect(str(file), read_only=True) as copy,
        duckdb.connect(str(shop / "warehouse.duckdb"), read_only=True) as warehouse,
    ):
        for table in ("sessions", "events", "warehouse_info"):
            assert copy.sql(f"from {table}").fetchall() == warehouse.sql(f"from {table}").fetchall()
    assert call("export", file, "--data", shop)[0] == 2


@pytest.mark.long
@pytest.mark.parametrize("largest_kilobytes", [64, 1024])
def test_an_export_that_does_not_fit_is_one_error_and_leaves_no_file(
    largest_kilobytes: int, shop: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "session_pipeline", "export", str(tmp_path / "all.duckdb"), "--data", str(shop)]
    largest = largest_kilobytes * 1024
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (largest, largest))
    ended = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Error: cannot write {tmp_path}/")
    assert ": the disk is full, or a file size limit is reached " in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_warehouse_is_not_exported_to_standard_output(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call("export", "-", "--data", shop)
    assert (code, "a warehouse cannot be printed; name a file" in err) == (2, True)
    code, _, err = call("query", "select 1", "-f", "csv", "-o", "-", "--data", shop)
    assert (code, "rows are printed without --output" in err) == (2, True)
    assert not list(tmp_path.iterdir())
    (tmp_path / "-").touch()
    code, out, _ = call("export", "-", "--visitor", "ann", "--data", shop)
    assert (code, json.loads(out)["visitor_id"]) == (0, "ann")
