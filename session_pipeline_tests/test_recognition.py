"""Tests which files are recognized as files of a preset, and what the commands say about it."""

import bz2
import gzip
import json
import lzma
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.checks import rejected_files
from session_pipeline.run.pipeline import open_run
from session_pipeline.settings import load_settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.presets.reading import EXAMPLES
from session_pipeline_tests.shop_commands import call

pytestmark = pytest.mark.long  # further cases of what the usual tests cover

UNTIL = date(2026, 5, 7)
GA4 = EXAMPLES / "ga4" / "events_20260504.json"
NATIVE = {"visitor_id": "v", "event_time": "2026-05-04T10:00:00Z", "event_name": "page_view"}


def deployment(tmp_path: Path, text: str, name: str = "a.jsonl", **source: Any) -> Deployment:
    made = Deployment(
        tmp_path / "data", {"start_date": date(2026, 5, 1), **({"sources": {"web": source}} if source else {})}
    )
    path = made.folder.raw / "web" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return made


def facts(made: Deployment) -> list[dict[str, Any]]:
    with open_run(made.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        return [dict(each.facts) for each in run.store.catalog.source_files().values()]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(NATIVE) + "\n",
        "",
        "{broken\n",
        "[1, 2]\n",
        GA4.read_text() + json.dumps({"event_name": "x"}) + "\n",  # after the first lines; see below
    ],
    ids=["native", "empty", "broken", "numbers", "late"],
)
def test_other_files_are_not_recognized(text: str, tmp_path: Path) -> None:
    found = facts(deployment(tmp_path, text))
    assert [each.get("preset") for each in found] == (["ga4"] if "event_params" in text else [None])


def test_first_field_of_a_tsv_can_be_empty(tmp_path: Path) -> None:
    line = "\tweb\t2026-05-04 10:00:00.000\t" + "\t".join(["2026-05-04 10:00:00"] * 128) + "\n"
    [found] = facts(deployment(tmp_path, line, "enriched.tsv"))
    assert (found["status"], found["preset"]) == ("accepted", "snowplow")


def test_one_line_of_another_kind_makes_it_uncertain(tmp_path: Path) -> None:
    lines = GA4.read_text().splitlines()
    made = deployment(tmp_path, "\n".join([*lines[:5], '{"event_name":"x"}', *lines[5:]]) + "\n")
    assert [each.get("preset") for each in facts(made)] == [None]


POSTHOG = [json.loads(line) for line in (EXAMPLES / "posthog" / "events.jsonl").read_text().splitlines()]
ORDER = {
    "id": 1, "name": "#1001", "created_at": "2026-05-04T10:00:00Z", "financial_status": "paid", "total_price": "12.50",
    "customer": {"id": 7}, "line_items": [{"id": 1}],
}  # fmt: skip


@pytest.mark.parametrize("text", ["[{}]", "{}\n"])
@pytest.mark.parametrize(("length", "preset"), [(70_000, "posthog"), (250_000, "posthog"), (400_000, None)])
def test_first_object_may_be_as_long_as_a_line(text: str, length: int, preset: str | None, tmp_path: Path) -> None:
    long = {**POSTHOG[0], "properties": {**POSTHOG[0]["properties"], "text": "x" * length}}
    [found] = facts(deployment(tmp_path, text.replace("{}", json.dumps(long)), "a.json"))
    assert (found.get("preset"), found["accepted_count"]) == (preset, 1 if preset else 0)


@pytest.mark.parametrize(
    ("answer", "preset", "accepted_count"),
    [
        ({"next": None, "results": POSTHOG}, "posthog", len(POSTHOG)),
        ({"orders": [ORDER]}, "shopify", 1),
        ({"orders": [{**ORDER, "id": number} for number in range(900)]}, "shopify", 900),  # more than is looked at
        (ORDER, "shopify", 1),
        ({"data": POSTHOG}, None, 0),  # the preset does not read this list
        ({"results": [*POSTHOG[:2], {"event": "x"}]}, None, 0),
        ({**NATIVE, "orders": [ORDER]}, None, 1),
    ],
    ids=["results", "orders", "many orders", "one order", "data", "another kind", "native"],
)
def test_answers_of_an_api_are_recognized(
    answer: dict[str, Any], preset: str | None, accepted_count: int, tmp_path: Path
) -> None:
    [found] = facts(deployment(tmp_path, json.dumps(answer), "a.json"))
    assert (found.get("preset"), found["accepted_count"]) == (preset, accepted_count)


def test_table_is_not_recognized_as_a_preset_of_json(tmp_path: Path) -> None:
    names = [name for name in ORDER if name not in ("customer", "line_items")]
    text = "\n".join([",".join(names), ",".join(str(ORDER[name]) for name in names)]) + "\n"
    [found] = facts(deployment(tmp_path, text, "orders.csv"))
    assert (found["status"], found.get("preset")) == ("accepted", None)


def test_preset_is_suggested_for_a_file_with_one_odd_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # no data folder
    odd = {name: value for name, value in POSTHOG[0].items() if name != "properties"}
    text = "".join(json.dumps(line) + "\n" for line in (odd, *POSTHOG[1:]))
    made = deployment(tmp_path, text, "odd.jsonl")
    warning = 'if they are of posthog, set sources.web.preset = "posthog" in settings.toml'
    assert warning in warnings(made)
    for source, is_said in (("web", True), ("other", False)):  # also because of the other files of the source
        made = deployment(tmp_path / source, json.dumps(odd) + "\n", "odd.jsonl")
        made.deliver("a", POSTHOG, source)
        assert (warning in warnings(made)) is is_said
    found = json.loads(call("try", tmp_path / "data" / "raw" / "web" / "odd.jsonl", "--json")[1])
    assert (found["suggested"], found["accepted_with_suggested"]) == ({"preset": "posthog"}, len(POSTHOG))


def warnings(made: Deployment) -> str:
    with open_run(made.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        return "\n".join(rejected_files(made.folder, run.settings, run.store, UNTIL))


@pytest.mark.parametrize(
    "source", [{"preset": "none"}, {"columns": {"event_time": "event_timestamp"}}, {"format": "jsonl"}]
)
def test_source_with_settings_is_not_recognized(source: dict[str, Any], tmp_path: Path) -> None:
    assert [each.get("preset") for each in facts(deployment(tmp_path, GA4.read_text(), **source))] == [None]


def test_source_with_a_site_only_is_recognized(tmp_path: Path) -> None:
    [found] = facts(deployment(tmp_path, GA4.read_text(), site="shop"))
    assert (found["preset"], found["site"], found["set_aside_count"]) == ("ga4", "shop", 0)


def test_files_of_one_source_are_recognized_one_by_one(tmp_path: Path) -> None:
    made = deployment(tmp_path, GA4.read_text())
    (made.folder.raw / "web" / "b.jsonl").write_text(json.dumps(NATIVE) + "\n")
    found = facts(made)
    assert sorted((each["path"], each.get("preset"), each["accepted_count"]) for each in found) == [
        ("web/a.jsonl", "ga4", 27),
        ("web/b.jsonl", None, 1),
    ]
    assert facts(made) == found


def test_writing_down_what_was_recognized_reads_nothing_again(tmp_path: Path) -> None:
    made = deployment(tmp_path, GA4.read_text())
    facts(made)
    made.set({"start_date": date(2026, 5, 1), "sources": {"web": {"preset": "ga4"}}})
    with open_run(made.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest().read_count == 0


def test_changed_preset_reads_the_files_of_its_sources_only(tmp_path: Path) -> None:
    made = deployment(tmp_path, json.dumps({**NATIVE, "t": "a"}) + "\n", preset="own")
    own = made.folder.path / "presets" / "own.toml"
    own.parent.mkdir()
    own.write_text('about = "x"')
    made.deliver("c", [NATIVE], "other")
    with open_run(made.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest().read_count == 2
    own.write_text('about = "another description"')
    with open_run(made.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest().read_count == 0
    own.write_text('columns = { page_title = "t" }')
    with open_run(made.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest().read_count == 1


def test_run_says_what_it_recognized(tmp_path: Path) -> None:
    made = deployment(tmp_path, GA4.read_text())
    code, out, err = call("run", "--data", made.folder.path, "--until", "2026-05-06")
    assert code == 0, err
    assert 'raw/web/ read with preset = "ga4", recognized from its files' in " ".join(out.split())
    code, out, _ = call("run", "--json", "--data", made.folder.path, "--until", "2026-05-06")
    assert json.loads(out)["recognized"] == {"web": ["ga4"]}


def test_init_writes_the_preset_of_a_file(tmp_path: Path) -> None:
    code, out, err = call("init", tmp_path / "new", "--from", GA4)
    assert code == 0, err
    assert '[sources.web]: preset = "ga4" for files like events_20260504.json; 27 of 27 lines are accepted' in out
    assert load_settings(tmp_path / "new").source("web").key_values == ("event_params", "user_properties")


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


@pytest.mark.parametrize(
    ("before", "after", "log_format"),
    [
        ("", ' "-"', "nginx_main"),
        pytest.param("shop.example:443 ", "", "vhost_combined", marks=pytest.mark.long),
    ],
)
def test_init_and_try_find_the_log_format(
    before: str, after: str, log_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = '{}198.51.100.{} - - [04/May/2026:09:00:{}  +0000] "GET /a HTTP/1.1" 200 5 "-" "Mozilla/5.0"{}\n'
    lines = [line.format(before, number % 9, number, after).replace("  ", " ") for number in range(10, 60)]
    file = tmp_path / "other.log"
    file.write_text("".join(lines))
    code, out, err = call("init", tmp_path / "new", "--from", file)
    assert code == 0, err
    assert f'[sources.web]: log_format = "{log_format}" for files like other.log; 50 of 50 lines are accepted' in out
    assert load_settings(tmp_path / "new").source("web").log_format == log_format
    code, out, err = call("try", file)
    assert code == 1
    assert f'[sources.web]\n  log_format = "{log_format}"' in out
    assert f'set sources.web.log_format = "{log_format}"' in " ".join(out.split())
    assert "sources.try" not in out


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("example", "keys", "count"),
    [
        ("w3c/cloudfront.log", ['preset = "w3c"'], 22),
        ("w3c/u_ex260504.log", ['preset = "w3c"'], 22),
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
    assert f"its content needs {keys[0]}" in " ".join(err.split())
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


def test_content_that_shows_no_format_suggests_nothing(tmp_path: Path) -> None:
    for content in (b"ann,2026-05-04,page_view\n", b"ORC, a\n", bytes(99), b"", b"# Fields: a b\n"):
        file = tmp_path / "other.abcd1234"
        file.write_bytes(content)
        found = json.loads(call("try", file, "--json")[1])
        assert (found["facts"]["status"], found["suggested"]) == ("refused", {})
        assert "set format for its source in settings.toml);" in found["facts"]["reason"]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.zip", b"PK\x03\x04", "a ZIP archive or a spreadsheet; unpack it, or save the sheet as CSV"),
        ("a.tar.gz", gzip.compress(bytes(257) + b"ustar", mtime=0), "a tar archive; unpack it"),
        ("a.tar.xz", lzma.compress(bytes(257) + b"ustar"), "a tar archive; unpack it"),
        ("a.avro", b"Obj\x01", "an Avro file; write it as Parquet or JSON lines"),
        ("a.orc", b"ORC\n\x06", "an ORC file; write it as Parquet or JSON lines"),
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
        pytest.param(
            "a.tsv",
            SPLIT.replace(",", "\t"),
            'expressions, time_format = "%d.%m.%Y %H:%M"',
            marks=pytest.mark.long,
        ),
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


def test_init_writes_no_values_as_names_of_fields(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("v0,2026-11-20T18:10:00Z,page_view\nv0,2026-11-20T18:14:18Z,purchase\n")
    code, out, err = call("init", tmp_path / "new", "--from", file)
    said = "the first line looks like data; if the file has no header, set header in [sources.web] to the names"
    assert (code, said in out, said in err) == (1, True, True)
    assert load_settings(tmp_path / "new").sources == {}


def test_init_says_that_the_format_of_a_log_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.log"
    file.write_text('Sep 25 06:05:27 lb haproxy[6801]: 192.0.2.7:55008 ft bk 0/72 200 7456 - - ---- "GET / HTTP/1.1"\n')
    code, out, _ = call("init", tmp_path / "new", "--from", file)
    said = "[sources.web]: the format of the lines of haproxy.log is not known; 0 of 1 line are accepted"
    assert (code, said in out) == (1, True)


@pytest.mark.parametrize(
    ("beginnings", "log_format"),
    [(["", "", "198.51.100.9, "], "forwarded_combined"), (["", "", "shop.example:443 "], None)],
)
def test_log_format_is_suggested_if_more_lines_fit_it(
    beginnings: list[str], log_format: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "access.log"
    line = '{}192.0.2.7 - - [04/May/2026:09:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "a"\n'
    file.write_text("".join(map(line.format, beginnings)))
    code, out, err = call("init", tmp_path / "new", "--from", file)
    assert (code, err) == (0, "")
    assert ("3 of 3 lines are accepted" in out) == (log_format is not None)
    web = load_settings(tmp_path / "new").sources.get("web")
    assert (web.log_format if web else None) == log_format


@pytest.mark.parametrize("before", ["", pytest.param("shop.example ", marks=pytest.mark.long)])
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
