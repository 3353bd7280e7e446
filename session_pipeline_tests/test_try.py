"""Tests the command try: it shows what a file would give, and leaves nothing behind.

test_try_refused.py tests what it refuses.
"""

import json
import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.settings import load_settings
from session_pipeline_tests.access_logs import combined
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.shop_commands import EVENTS, call

pytestmark = pytest.mark.usefixtures("no_data_folder")


def write(path: Path, *lines: dict[str, Any] | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def tried(*arguments: str | Path) -> dict[str, Any]:
    code, out, err = call("try", "--json", *arguments)
    found: dict[str, Any] = json.loads(out)
    assert code == (0 if found["facts"]["accepted_count"] else 1), err
    return found


def test_file_is_tried_without_a_data_folder(tmp_path: Path) -> None:
    file = write(tmp_path / "events.jsonl", *EVENTS, "{broken")
    found = tried(file)
    counts = {name: found["facts"][f"{name}_count"] for name in ("line", "accepted", "set_aside")}
    assert counts == {"line": 8, "accepted": 7, "set_aside": 1}
    fields = {field["column"]: field for field in found["fields"]}
    assert (fields["visitor_id"]["origin"], fields["visitor_id"]["filled_count"]) == ("visitor_id", 7)
    assert fields["value"]["example"] == "49.900000"
    assert fields["utm_source"] == {"column": "utm_source", "origin": None, "filled_count": 1, "example": "news"}
    assert [(item["reason"], item["lines"][0][0]) for item in found["set_aside"]] == [("invalid_json", 8)]
    assert (found["days"], found["duplicate_count"]) == (["2024-03-05", "2024-03-06"], 1)
    assert found["outcomes"] == {"bounce": 2, "purchase": 1}
    assert found["sessions"][0]["path"] == "/product/lamp > add_to_cart > begin_checkout > purchase"


def test_nothing_is_written_and_the_file_is_unchanged(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    file = write(deployment.folder.raw / "web" / "events.jsonl", *EVENTS)
    before = sorted(tmp_path.rglob("*")), os.stat(file)
    tried(file, "--data", deployment.folder.path)
    after = sorted(tmp_path.rglob("*")), os.stat(file)
    assert before[0] == after[0]
    assert (before[1].st_ctime_ns, before[1].st_nlink) == (after[1].st_ctime_ns, after[1].st_nlink)


@pytest.mark.long
def test_source_is_the_folder_under_raw_or_the_named_one(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", {"sources": {"web": {"columns": {"visitor_id": "uid"}}}})
    line = {"uid": "ann", "event_time": "2024-03-05T10:00:00Z", "event_name": "page_view"}
    data = ("--data", deployment.folder.path)
    assert tried(write(deployment.folder.raw / "web" / "a" / "x.jsonl", line), *data)["facts"]["accepted_count"] == 1
    elsewhere = write(tmp_path / "x.jsonl", line)
    assert tried(elsewhere, *data)["facts"]["accepted_count"] == 1  # the only source of the settings
    assert tried(elsewhere, *data, "--source", "web")["facts"]["accepted_count"] == 1
    assert tried(elsewhere, *data, "--source", "shop")["facts"]["accepted_count"] == 0


@pytest.mark.long
def test_columns_are_suggested_for_other_field_names(tmp_path: Path) -> None:
    lines = [{"anonymousId": "ann", "timestamp": "2024-03-05T10:00:00Z", "event": "page_view"}] * 3
    file = write(tmp_path / "events.jsonl", *lines)
    assert tried(file)["suggested_columns"] == {
        "visitor_id": "anonymousId",
        "event_time": "timestamp",
        "event_name": "event",
    }
    out = call("try", file)[1]
    assert "3 lines quarantined for missing_visitor_id" in out
    assert 'columns = { visitor_id = "anonymousId", event_time = "timestamp", event_name = "event" }' in out
    settings = {"sources": {"try": {"columns": {"visitor_id": "anonymousId", "event_name": "event"}}}}
    found = tried(file, "--data", Deployment(tmp_path / "data", settings).folder.path)
    assert found["suggested_columns"] == {"event_time": "timestamp"}


@pytest.mark.long
def test_columns_are_suggested_even_if_lines_are_accepted(tmp_path: Path) -> None:
    line = {"visitor_id": "ann", "event_time": "2024-03-05T10:00:00Z", "event_name": "page_view"}
    file = write(tmp_path / "events.jsonl", {**line, "url": "https://shop.example/", "path": "/", "amount": 5})
    assert tried(file)["suggested_columns"] == {"page_url": "url", "value": "amount"}
    settings = {"sources": {"try": {"columns": {"page_url": "url"}}}}
    found = tried(file, "--data", Deployment(tmp_path / "named", settings).folder.path)
    assert found["suggested_columns"] == {"value": "amount"}
    out = call("try", write(tmp_path / "whole.jsonl", {**line, "page_url": "https://shop.example/"}))[1]
    assert "Fields with other names" not in out
    assert re.search(r"event_id +\(the line\)", out)


@pytest.mark.long
def test_bot_sessions_are_shown_last(tmp_path: Path) -> None:
    bots = [combined(time=f"10/Oct/2024:0{hour}:00:00 +0000", agent="curl/8.5.0") for hour in range(6)]
    file = write(tmp_path / "access.log", *bots, combined("GET /docs HTTP/1.1", time="10/Oct/2024:09:00:00 +0000"))
    shown = [(session["is_bot"], session["started_at"][11:13]) for session in tried(file)["sessions"]]
    assert shown == [(False, "09"), (True, "00"), (True, "01"), (True, "02"), (True, "03")]


def test_text_output_summarizes_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "events.jsonl", *EVENTS, "{broken")
    code, out, _ = call("try", file)
    assert code == 0
    for sentence in (
        "with the packaged settings; nothing is written",
        "8 lines = 7 accepted + 1 quarantined",
        "1 line quarantined for invalid_json:",
        "3 human sessions (0 bot sessions excluded) on 2 days, 2024-03-05 to 2024-03-06; 1 duplicate dropped",
        "/product/lamp > add_to_cart > begin_checkout > purchase",
    ):
        assert sentence in out


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param(
            "a.jsonl",
            json.dumps(EVENTS[0]) + "\n\n  \n",
            "1 line = 1 accepted + 0 quarantined; 2 blank lines not counted",
            marks=pytest.mark.long,
        ),
        (
            "a.csv",
            "visitor_id,event_time,event_name\n\n",
            "0 lines = 0 accepted + 0 quarantined; 1 blank line not counted",
        ),
        ("a.log", "#Version: 1.0\n#Fields: date\n\n", "3 blank or # lines not counted"),
    ],
)
def test_blank_lines_are_counted_as_source_files_does(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    assert said in call("try", tmp_path / name)[1]


def test_setting_that_limits_times_is_named(tmp_path: Path) -> None:
    old = [{**event, "event_time": "2019-12-31T10:00:00Z"} for event in EVENTS]
    code, out, _ = call("try", write(tmp_path / "old.jsonl", *old))
    assert code == 1
    assert "quarantined for time_before_start" in out
    assert "The limit is start_date in settings.toml." in out


@pytest.mark.long
def test_days_after_the_first_week_are_only_counted(tmp_path: Path) -> None:
    lines = [
        {"visitor_id": "ann", "event_time": f"2024-03-{day:02}T10:00:00Z", "event_name": "page_view"}
        for day in range(1, 12)
    ]
    found = tried(write(tmp_path / "events.jsonl", *lines))
    assert (len(found["days"]), found["day_count"], found["outcomes"]) == (7, 11, {"bounce": 7})


def visits_of_a_person_and_a_bot(path: Path) -> Path:
    request = '192.0.2.{} - - [05/Mar/2024:10:00:0{} +0000] "GET /{} HTTP/1.1" 200 5 "-" "{}"'
    person = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    lines = [request.format(1, 0, "", person), *(request.format(70, second, second, bot) for second in (1, 2))]
    return write(path, *lines)


def test_bots_are_counted_apart_as_in_a_run(tmp_path: Path) -> None:
    file = visits_of_a_person_and_a_bot(tmp_path / "access.log")
    assert "1 human session (1 bot session excluded) on 1 day" in call("try", file)[1]


@pytest.mark.long
def test_outcomes_are_those_of_people(tmp_path: Path) -> None:
    found = tried(visits_of_a_person_and_a_bot(tmp_path / "access.log"))
    assert (found["outcomes"], found["bot_session_count"]) == ({"bounce": 1}, 1)


@pytest.mark.long
def test_odd_lines_and_names_are_tried(tmp_path: Path) -> None:
    odd: list[dict[str, Any] | str] = [
        {"anonymousId": "a", "text": "x" * 3000},
        {"anonymousId": "b", "text": "y" * 20000},
        {"anonymousId": "c", "text": "z" * (300 << 10)},
        {'a"b\n\x7f\x1b[31m': 1, "": 2, "a.b": 3, "\ud83d\ude00": 4},
        {"properties": {"a": 1}, "context": None},
        "[1, 2]",
        "null",
        '"text"',
        "{" * 300,
        '{"a":' * 300 + "1" + "}" * 300,
        '{"a": 1, "a": 2}',
        '{"anonymousId": "\\u0000", "timestamp": 1e400}',
        "\x00",
        "192.0.2.7 " * 500,
        '{"a": NaN}',
        r'{"\ud800": "\udc00", "timestamp": "\ud800"}',
    ]
    file = write(tmp_path / "[odd]*é.jsonl", *odd)
    with file.open("ab") as added:
        added.write(b"\xff\xfe\r\n")
    code, out, err = call("try", file)
    assert code == 1, err
    assert "17 lines = 0 accepted + 17 quarantined" in out
    assert "would give no events" in err


@pytest.mark.long
def test_suggested_section_is_used_by_the_printed_command(tmp_path: Path) -> None:
    line = {"uid": "ann", "event_time": "2024-03-05T10:00:00Z", "event_name": "page_view"}
    file = write(tmp_path / "x.jsonl", line)
    data = Deployment(tmp_path / "two", {"sources": {"web": {"columns": {"visitor_id": "uid"}}, "app": {}}}).folder.path
    out = call("try", file, "--data", data)[1]
    assert "Note: no source is chosen; use `--source` with one of app, web." in out
    assert f"Then run `session-pipeline try {file} --source web --data {data}`." in out
    code, out, _ = call("try", file, "--data", data, "--source", "web")
    assert (code, "1 line = 1 accepted" in out) == (0, True)


@pytest.mark.long
def test_unknown_source_is_named_with_those_of_the_settings(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", EVENTS[0])
    data = Deployment(tmp_path / "two", {"sources": {"web": {}, "app": {}}}).folder.path
    out = call("try", file, "--data", data, "--source", "wbe")[1]
    assert "Note: the settings have no source wbe; use `--source` with one of app, web." in out


@pytest.mark.long
def test_suggested_keys_include_those_of_the_present_section(tmp_path: Path) -> None:
    line = {"uid": "ann", "event_time": "2024-03-05T10:00:00Z", "event_name": "page_view", "url": "/", "amount": r"\N"}
    file = write(tmp_path / "x.jsonl", line, {**line, "amount": "5"})
    section = {"columns": {"visitor_id": "uid"}, "null_values": ["-"]}
    data = Deployment(tmp_path / "one", {"sources": {"web": section}}).folder.path
    out = call("try", file, "--data", data)[1]
    assert "write into the section of settings.toml, in place of keys of the same name:" in out
    assert '  columns = { visitor_id = "uid", page_url = "url", value = "amount" }\n' in out
    assert r'  null_values = ["-", "\\N"]' in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sep=;\nvisitor_id;event_time;event_name\nv;2026-05-04;a\n", "remove the lines before the header"),
        pytest.param(
            "Project: Shop\n\nDate,Time,User ID\n2026-05-04,10:00,u\n",
            "remove the lines before the header",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            "# Pages\n# All users\nPage path,Views,Active users\n/,12,9\n",
            "the file has counts",
            marks=pytest.mark.long,
        ),
    ],
)
def test_lines_before_the_header_are_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    code, out, err = call("init", tmp_path / "data", "--from", tmp_path / "a.csv")
    assert (code, said in out, said in err, "Missing" in (tmp_path / "data" / "settings.toml").read_text()) == (
        1, True, True, False,
    )  # fmt: skip


def test_times_before_start_date_are_named_if_all_fields_are_known(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("event_time,user_id,event_type\n" + "2019-10-01 00:00:00 UTC,u,view\n" * 3)
    code, out, _ = call("try", tmp_path / "a.csv")
    assert (code, "3 times are before start_date 2020-01-01" in out) == (1, True)


def test_whole_sentence_says_how_to_read_a_log(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("Nov 10 08:05:23 lb1 haproxy[1]: 192.0.2.7:40000 accepted\n")
    [item] = tried(tmp_path / "a.log")["set_aside"]
    assert item["lines"][0][1].endswith("write the server's own LogFormat or log_format into sources.web.log_format")


@pytest.mark.long
def test_tsv_with_quotes_is_read_as_csv(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('"uid"\t"ts"\t"event"\n' + '"u"\t"2026-05-04 10:00:00"\t"say ""hi"""\n' * 3)
    found = tried(tmp_path / "a.tsv")
    assert (found["suggested"]["format"], found["accepted_with_suggested"]) == ("csv", 3)


@pytest.mark.long
@pytest.mark.parametrize("end", ["", ";"])
def test_rows_that_are_quoted_as_a_whole_are_named(tmp_path: Path, end: str) -> None:
    rows = ("visitor_id,event_time,event_name", "u,2026-05-04 10:00:00,view")
    (tmp_path / "a.csv").write_text("".join(f'"{row}"{end}\n' for row in rows))
    code, out, _ = call("try", tmp_path / "a.csv")
    assert (code, "Note: the rows are quoted as a whole" in out, "could be" in out) == (1, True, False)


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [
        ("a.csv", "^"),
        pytest.param("a.csv", "~", marks=pytest.mark.long),
        pytest.param("a.tsv", "|", marks=pytest.mark.long),
    ],
)
def test_other_delimiter_is_suggested(tmp_path: Path, name: str, delimiter: str) -> None:
    rows = [("visitor_id", "event_time", "event_name"), *[("u", "2026-05-04 10:00:00", "view")] * 3]
    found = tried(write(tmp_path / name, *map(delimiter.join, rows)))
    assert (found["suggested"], found["accepted_with_suggested"]) == ({"delimiter": delimiter}, 3)


@pytest.mark.long
@pytest.mark.parametrize(("delimiter", "format"), [(",", "csv"), (";", "csv"), ("\t", "tsv")])
def test_table_called_like_a_log_is_read_as_a_table(tmp_path: Path, delimiter: str, format: str) -> None:
    rows = [("uid", "ts", "event"), *[("u", "2026-05-04 10:00:00", "view")] * 3]
    file = write(tmp_path / "a.log", *map(delimiter.join, rows))
    found = tried(file)
    assert (found["suggested"]["format"], found["accepted_with_suggested"]) == (format, 3)
    assert found["suggested_columns"].keys() == {"visitor_id", "event_time", "event_name"}


@pytest.mark.long
@pytest.mark.parametrize("name", ["a.csv", pytest.param("a.tsv", marks=pytest.mark.nightly)])
def test_access_log_called_like_a_table_is_read_as_a_log(tmp_path: Path, name: str) -> None:
    found = tried(write(tmp_path / name, *[combined("GET /search?q=a,b HTTP/1.1")] * 3))
    assert (found["suggested"], found["accepted_with_suggested"]) == ({"format": "access_log"}, 3)
    assert not found["suggested_columns"]


def test_fix_of_lines_in_another_encoding_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("visitor_id,event_time,event_name\nM\xf6bel,2026-05-04,a\n".encode("cp1252"))
    assert "To fix them at their source, write them as text in UTF-8" in call("try", tmp_path / "a.csv")[1]


@pytest.mark.long
@pytest.mark.parametrize("name", ["old.jsonl", "old.txt"])
def test_init_sets_the_start_date_that_most_lines_need(tmp_path: Path, name: str) -> None:
    new = {"visitor_id": "ann", "event_name": "page_view", "event_time": "2024-03-05T10:00:00Z"}
    lines = [{**new, "event_time": f"2018-0{month}-07T10:00:00Z"} for month in range(1, 10)]
    code, out, _ = call("init", tmp_path / "old", "--from", write(tmp_path / name, *lines, new, new))
    assert code == 0
    assert "11 of 11 lines are accepted" in out
    assert "start_date = 2018-01-01, because the file has older events" in out
    assert load_settings(tmp_path / "old").start_date == date(2018, 1, 1)
    out = call("init", tmp_path / "new", "--from", write(tmp_path / f"new-{name}", *lines[:4], *[new] * 4))[1]
    assert "start_date =" not in out
    assert load_settings(tmp_path / "new").start_date == date(2020, 1, 1)


@pytest.mark.long
@pytest.mark.parametrize(("hour", "is_midnight"), [("", True), ("T12:00:00Z", False)])
def test_times_that_are_all_midnight_are_named(tmp_path: Path, hour: str, is_midnight: bool) -> None:
    new = {"visitor_id": "ann", "event_name": "page_view", "page_url": "/"}
    lines = [{**new, "event_time": f"2024-03-{day:02}{hour if day == 10 else ''}"} for day in range(1, 11)]
    said = "all times are midnight: its lines have dates without a time of day"
    assert (
        any(remark.startswith(said) for remark in tried(write(tmp_path / "a.jsonl", *lines))["remarks"]) is is_midnight
    )


def test_old_file_is_tried_with_the_start_date_that_init_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "old.csv"
    rows = "".join(f"2018-10-10 10:00:{second},view,v{second % 3}\n" for second in range(10, 40))
    file.write_text(f"event_time,event_type,user_id\n{rows}")
    code, out, _ = call("try", file)
    assert code == 1
    assert "The file was also tried with this and start_date = 2018-01-01: 30 of 30 lines would be accepted.\n" in out
