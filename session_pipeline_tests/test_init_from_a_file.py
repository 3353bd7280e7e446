"""Tests what `init --from` writes into the settings for a file, and that `try` finds the same.

test_suggested_log_formats.py tests it for access logs.
"""

import bz2
import gzip
import json
import lzma
from datetime import date
from pathlib import Path

import pytest

from session_pipeline.settings import load_settings
from session_pipeline_tests.presets.reading import EXAMPLES
from session_pipeline_tests.shop_commands import call

pytestmark = pytest.mark.long  # further cases of what the usual tests cover

GA4 = EXAMPLES / "ga4" / "events_20260504.json"


def test_init_writes_the_preset_of_a_file(tmp_path: Path) -> None:
    code, out, err = call("init", tmp_path / "new", "--from", GA4)
    assert code == 0, err
    assert '[sources.web]: preset = "ga4" for files like events_20260504.json; 27 of 27 lines are accepted' in out
    assert load_settings(tmp_path / "new").source("web").key_values == ("event_params", "user_properties")


def test_init_says_how_to_deliver_the_file(tmp_path: Path) -> None:
    file, new = tmp_path / "my events.jsonl", tmp_path / "new"
    file.write_text('{"visitor_id": "ann", "event_time": "2026-11-20T10:00:00Z", "event_name": "page_view"}\n')
    code, out, err = call("init", new, "--from", file, "--source", "app")
    assert (code, err) == (0, "")
    copy = f"  cp '{file}' {new}/raw/app/\n"
    assert f"Next:\n{copy}  session-pipeline run --data {new}   now, and when there are new files\n" in out
    assert (new / "raw" / "app").is_dir()
    assert "sample" not in out


def test_init_from_a_file_that_is_delivered_already(tmp_path: Path) -> None:
    file = tmp_path / "raw" / "web" / "a.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text('{"visitor_id": "ann", "event_time": "2026-11-20T10:00:00Z", "event_name": "page_view"}\n')
    code, out, err = call("init", tmp_path, "--from", file)
    assert (code, err) == (0, "")
    assert f"Next:\n  session-pipeline run --data {tmp_path}   now" in out


def test_init_writes_fields_whose_values_fit(tmp_path: Path) -> None:
    lines = [
        {
            "who": {"ip": f"198.51.100.{number % 5}"},
            "when": 1777885200000 + number * 60000,
            "kind": "view",
            "attrs": [{"key": "page_location", "value": {"string_value": f"https://shop.example/p{number % 3}"}}],
        }
        for number in range(40)
    ]
    file = tmp_path / "other.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, out, err = call("init", tmp_path / "new", "--from", file, "--source", "app")
    assert code == 0, err
    assert "40 of 40 lines are accepted" in out
    found = load_settings(tmp_path / "new").source("app")
    assert found.columns == {"event_time": "when", "event_name": "kind", "page_url": "attrs.page_location"}
    assert (found.key_values, found.visitor_address) == (("attrs",), "who.ip")


@pytest.mark.parametrize("ending", ["", pytest.param(".gz", marks=pytest.mark.nightly)])
@pytest.mark.parametrize(
    ("example", "keys", "count"),
    [
        ("w3c/cloudfront.log", ['preset = "w3c"'], 22),
        pytest.param("w3c/u_ex260504.log", ['preset = "w3c"'], 22, marks=pytest.mark.nightly),
        ("posthog/events.jsonl", ['format = "jsonl"', 'preset = "posthog"'], 23),
        ("snowplow/enriched.tsv", ['preset = "snowplow"', 'format = "tsv"'], 20),
        ("vhost_combined/other_vhosts_access.log", ['format = "access_log"', 'log_format = "vhost_combined"'], 22),
    ],
)
def test_name_without_a_known_ending(
    example: str, keys: list[str], count: int, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = (EXAMPLES / example).read_bytes()
    file = tmp_path / f"E2EXAMPLE.2026-05-04-09.abcd1234{ending}"
    file.write_bytes(gzip.compress(content, mtime=0) if ending else content)
    code, out, err = call("try", file)
    assert code == 1
    assert f"its content needs {', '.join(keys)}" in " ".join(err.split())
    assert "\n  ".join(["[sources.web]", *keys, ""]).rstrip(" ") in out
    assert f"{count} of {count} lines would be accepted" in out
    folder = tmp_path / "new"
    code, out, err = call("init", folder, "--from", file)
    assert (code, err) == (0, "")
    assert f"[sources.web]: {', '.join(keys)} for files like {file.name}; {count} of {count} lines are accepted" in out
    assert (
        json.loads(call("try", file, "--source", "web", "--data", folder, "--json")[1])["facts"]["accepted_count"]
        == count
    )


def test_init_suggests_the_requests_of_a_log_in_json(tmp_path: Path) -> None:
    line = '{"time": "2026-05-04T10:00:00Z", "verb": "GET", "url": "/p/%s", "host": "a.example", "ip": "192.0.2.%s"}\n'
    file = tmp_path / "access.log"
    file.write_text("".join(line % (number, number) for number in range(30)))
    code, out, err = call("init", tmp_path / "new", "--from", file)
    assert (code, err) == (0, "")
    assert "30 of 30 lines are accepted" in out
    found = load_settings(tmp_path / "new").source("web")
    assert (found.format, found.visitor_address, found.columns) == ("jsonl", "ip", {"event_time": "time"})
    assert found.request == {"method": "verb", "target": "url", "host": "host"}


def test_init_finds_lists_of_events(tmp_path: Path) -> None:
    """As in the sessions of OTTO, but within an object."""
    lines = [
        {
            "session": number,
            "seen": {"events": [{"aid": number, "ts": 1777885200000 + at, "type": "carts"} for at in (1, 2)]},
        }
        for number in range(3)
    ]
    file = tmp_path / "sessions.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, out, err = call("init", tmp_path / "new", "--from", file)
    assert (code, err) == (0, "")
    assert "6 of 6 lines are accepted" in out
    found = load_settings(tmp_path / "new").source("web")
    assert (found.events_in, found.event_names) == ("seen.events", {"carts": "add_to_cart"})
    of_events = {"event_time": "seen.events.ts", "event_name": "seen.events.type"}
    assert found.columns == {"visitor_id": "session", **of_events}


def test_items_of_orders_are_no_events(tmp_path: Path) -> None:
    order = {"customer_id": "c", "created_at": "2026-05-04T10:00:00Z", "items": [{"sku": "lamp", "price": 5}] * 2}
    file = tmp_path / "orders.jsonl"
    file.write_text(json.dumps(order) + "\n")
    _, out, _ = call("init", tmp_path / "new", "--from", file)
    assert "events_in" not in out


def test_fields_of_listed_events_are_named_as_possible_ones(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[sources.web]\nevents_in = "events"\n')
    file = tmp_path / "raw" / "web" / "sessions.jsonl"
    file.parent.mkdir(parents=True)
    events = [{"ts": f"2026-05-04T10:00:0{second}Z", "what": "carts"} for second in range(4)]
    file.write_text(json.dumps({"s": "1", "events": events}) + "\n")
    _, out, _ = call("try", file, "--data", tmp_path)
    assert 'columns = { event_time = "events.ts" }' in out
    assert "visitor_id could be events.what or s\n" in out


def test_content_that_shows_no_format_suggests_nothing(tmp_path: Path) -> None:
    for content in (b"ann,2026-05-04,page_view\n", b"ORC, a\n", bytes(99), b"", b"# Fields: a b\n"):
        file = tmp_path / "other.abcd1234"
        file.write_bytes(content)
        found = json.loads(call("try", file, "--json")[1])
        assert (found["facts"]["status"], found["suggested"]) == ("refused", {})
        assert "set format for its source in settings.toml)" in found["facts"]["reason"]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.zip", b"PK\x03\x04", "a ZIP archive or a spreadsheet; unpack it, or save the sheet as CSV"),
        ("a.tar.gz", gzip.compress(bytes(257) + b"ustar", mtime=0), "a tar archive; unpack it"),
        ("a.tar.xz", lzma.compress(bytes(257) + b"ustar"), "a tar archive; unpack it"),
        ("a.avro", b"Obj\x01", "an Avro file; write it as Parquet or JSON lines"),
        ("a.orc", b"ORC\n\x06", "an ORC file; write it as Parquet or JSON lines"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "a PNG picture, which has no events; remove it"),
        ("a.pdf", b"%PDF-1.7\n", "a PDF, which has no events; remove it"),
        ("events", gzip.compress(b"{}", mtime=0), "gzip, but its name does not end in .gz; rename it"),
        ("events", bz2.compress(b"{}"), "bzip2, but its name does not end in .bz2; rename it"),
    ],
)
def test_reason_says_what_to_do_with_files_of_other_kinds(name: str, content: bytes, what: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    found = json.loads(call("try", file, "--json")[1])["facts"]
    assert found["status"] == "refused"
    assert f"(it is {what})" in found["reason"]


def test_init_from_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\x89PNG\r\n\x1a\n")
    code, out, err = call("init", tmp_path / "new", "--from", file)
    assert code == 1
    assert "cannot be read, so nothing is written for it" in out
    assert "was created without settings for it" in err
    assert load_settings(tmp_path / "new").sources == {}


def test_init_from_a_file_without_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    code, out, err = call("init", tmp_path / "new", "--from", tmp_path / "a.jsonl")
    assert code == 1
    assert "a.jsonl has no lines, so nothing is written for it\n" in out
    assert "was created without settings for it" in err


SPLIT = "visitor_id,event_name,date,time\nv1,page_view,20.11.2026,10:00\n"
EXCEL = "visitor_id;event_name;event_time;value\nv1;purchase;11/20/2026 06:10:00 PM;155,55\n"


@pytest.mark.parametrize(
    ("name", "text", "keys"),
    [
        ("a.csv", SPLIT, 'expressions, time_format = "%d.%m.%Y %H:%M"'),
        ("a.tsv", SPLIT.replace(",", "\t"), 'expressions, time_format = "%d.%m.%Y %H:%M"'),
        (
            "a.jsonl",
            '{"visitor_id": "v", "event_name": "a", "date": "2026-11-20", "time": "10:00"}\n',
            "expressions",
        ),
        ("b.csv", EXCEL, 'time_format = "%m/%d/%Y %I:%M:%S %p", decimal_comma = true'),
    ],
)
def test_init_writes_how_times_and_numbers_are_written(name: str, text: str, keys: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    code, out, err = call("init", tmp_path / "new", "--from", tmp_path / name)
    assert (code, err) == (0, "")
    assert f"[sources.web]: {keys} for files like {name}; 1 of 1 line is accepted" in out
    load_settings(tmp_path / "new")


def test_empty_rows_at_the_end_of_a_table_change_no_suggestion(tmp_path: Path) -> None:
    rows = "".join(f"v{number % 9};page_view;2026-11-20 10:{number:02}:00;https://a.example/\n" for number in range(30))
    (tmp_path / "a.csv").write_text("Visitor;Event;When;Page\n" + rows + ";;;\n" * 20)
    code, out, err = call("init", tmp_path / "new", "--from", tmp_path / "a.csv")
    assert code == 0, err
    assert "30 of 50 lines are accepted" in out
    found = load_settings(tmp_path / "new").source("web").columns
    assert {"visitor_id": "Visitor", "event_name": "Event", "event_time": "When"}.items() <= found.items()


def test_init_writes_no_values_as_names_of_fields(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("v0,2026-11-20T18:10:00Z,page_view\nv0,2026-11-20T18:14:18Z,purchase\n")
    code, out, err = call("init", tmp_path / "new", "--from", file)
    said = "the first line looks like data; if the file has no header, set header in [sources.web] to the names"
    assert (code, said in out, said in err) == (1, True, True)
    assert load_settings(tmp_path / "new").sources == {}


@pytest.mark.parametrize("before", ["", "shop.example "])
def test_init_sets_start_date_for_old_logs(before: str, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    file.write_text(f'{before}192.0.2.7 - - [10/Oct/2018:13:55:36 +0000] "GET / HTTP/1.1" 200 5 "-" "a"\n')
    code, out, _ = call("init", tmp_path / "new", "--from", file)
    assert (code, "start_date = 2018-01-01, because the file has older events" in out) == (0, True)
    assert load_settings(tmp_path / "new").start_date == date(2018, 1, 1)


def test_init_names_required_columns_that_were_not_found(tmp_path: Path) -> None:
    lines = [f"c{number % 9},2026-10-05T10:00:{number},{'abc'[number % 3]},/p/{number}" for number in range(10, 50)]
    file = tmp_path / "other.csv"
    file.write_text("\n".join(["jar,when,what,where", *lines]) + "\n")
    code, out, err = call("init", tmp_path / "new", "--from", file)
    assert (code, "can be used unchanged" in out) == (1, False)
    missing = "visitor_id could be jar or what; event_name could be what or jar"
    settings = tmp_path / "new" / "settings.toml"
    assert f"name the missing fields under columns in [sources.web] of {settings} ({missing})" in err
    assert "\n# Missing in columns: visitor_id could be jar or what\n" in settings.read_text()
    assert load_settings(tmp_path / "new").source("web").columns == {"event_time": "when"}
    code, out, _ = call("try", file)
    assert code == 1
    assert "Required columns without a field. Name the field of each in columns of [sources.web]:" in out
    assert "  visitor_id could be jar or what\n  event_name could be what or jar\n" in out


def test_init_and_try_explain_a_field_that_the_settings_cannot_name(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = "".join(f"v{number % 9},2026-10-05T10:00:{number},view\n" for number in range(10, 50))
    file.write_text(f'visitor_id,"Event\nTime",event_name\n{rows}')
    code, _, err = call("init", tmp_path / "new", "--from", file)
    assert (code, "event_time: no field has values that fit" in err) == (1, True)
    assert load_settings(tmp_path / "new").source("web").columns == {}
    code, out, _ = call("try", file)
    assert (code, "event_time: no field has values that fit" in out) == (1, True)


def test_init_prints_a_command_in_which_names_are_quoted(tmp_path: Path) -> None:
    file = tmp_path / "a$(id).csv"
    file.write_text("a,b\n1,2\n")
    code, _, err = call("init", tmp_path / "new", "--from", file, "--source", "b;id")
    assert (code, f"session-pipeline try '{file}' --source 'b;id' --data" in err) == (1, True)


def test_names_with_invisible_characters_are_written_escaped(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    times = [f"2026-10-05T10:00:{number}Z" for number in range(10, 50)]
    lines = [{"visitor_id": "v", "event\u2028time": time, "event_name": "page\x7fview"} for time in times]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    code, out, _ = call("try", file)
    keys = ['columns = { event_time = "event\\u2028time" }', 'event_names = { "page\\u007fview" = "page_view" }']
    assert (code, [key for key in keys if key not in out]) == (1, [])
    assert call("init", tmp_path / "new", "--from", file)[0] == 0
    source = load_settings(tmp_path / "new").source("web")
    assert (source.columns, source.event_names) == ({"event_time": "event\u2028time"}, {"page\x7fview": "page_view"})


def test_notes_name_the_section_of_their_keys(tmp_path: Path) -> None:
    line = {"visitor_id": "ann", "event_time": "2026-11-20T10:00:00Z"}
    lines = [{**line, "event_name": name, "Ort": f"https://shop.example/{name}"} for name in ("sehen", "kaufen")]
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    code, out, err = call("init", tmp_path / "new", "--from", file, "--source", "shop")
    assert (code, err) == (0, "")
    assert 'write page_url = "Ort" into columns' in out
    assert "write these keys into [sources.shop] of settings.toml" in out
    _, out, _ = call("try", file)
    assert "Write these keys into [sources.web] of settings.toml." in out


@pytest.mark.parametrize(
    ("example", "first"),
    [
        ("alb/alb.log", "cut 0.001 0.002"),
        ("w3c/cloudfront.log", "Log of 2026-05-04"),
        pytest.param("w3c/u_ex260504.log", "cut 0.001 0.002", marks=pytest.mark.nightly),
    ],
)
def test_preset_of_a_log_is_suggested_whatever_its_first_line_is(example: str, first: str, tmp_path: Path) -> None:
    lines = (EXAMPLES / example).read_text().splitlines()
    file = tmp_path / "a.log"
    file.write_text("\n".join([first, *lines[1:]]))
    preset = example.partition("/")[0]
    code, out, _ = call("try", file)
    assert (code, f'[sources.web]\n  preset = "{preset}"' in out) == (1, True)
    assert f"\nWhat the preset reads is in docs/sources/{preset}.md.\n" in out
    code, out, err = call("init", tmp_path / "new", "--from", file)
    assert (code, err) == (0, "")
    assert f'preset = "{preset}" for files like a.log' in out
