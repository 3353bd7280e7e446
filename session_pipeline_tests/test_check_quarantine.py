"""Tests lines that are quarantined because of a setting: the setting is named, and changing it makes them accepted."""

import json
import re
import tomllib
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.checks import rejected_files
from session_pipeline.checks.quarantine import key_to_change, too_many_quarantined
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.settings import parse_settings
from session_pipeline_tests.corpus import CORPUS
from session_pipeline_tests.deployment import Deployment

EVENT = {"visitor_id": "v", "event_time": "2024-03-01T12:00:00Z", "event_name": "a"}
UNTIL = date(2024, 3, 3)


def without(name: str, **fields: Any) -> str:
    return json.dumps({key: value for key, value in {**EVENT, **fields}.items() if key != name})


def columns(**theirs: str) -> dict[str, Any]:
    return {"sources": {"web": {"columns": theirs}}}


CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "missing_visitor_id": ("a.jsonl", without("visitor_id", uid="v"), columns(visitor_id="uid")),
    "missing_event_time": ("a.jsonl", without("event_time", ts="2024-03-01"), columns(event_time="ts")),
    "missing_event_name": ("a.jsonl", without("event_name"), {"sources": {"web": {"constants": {"event_name": "a"}}}}),
    "invalid_event_time": ("a.jsonl", without("", event_time="x", ts=1709294400), columns(event_time="ts")),
    "invalid_received_at": ("a.jsonl", without("", received_at="x"), columns(received_at="at")),
    "invalid_sequence": ("a.jsonl", without("", sequence="x", n=1), columns(sequence="n")),
    "invalid_status_code": ("a.jsonl", without("", status_code="ok", code=200), columns(status_code="code")),
    "invalid_value": ("a.jsonl", without("", value="12 EUR", amount=12), columns(value="amount")),
    "time_before_start": ("a.jsonl", without(""), {"start_date": date(2024, 1, 1)}),
    "time_after_receipt": (
        "a.jsonl",
        without("", received_at="2024-03-01T09:00:00Z"),
        {"sources": {"web": {"clock_tolerance_minutes": 600}}},
    ),
    "invalid_json": (
        "a.json",
        "{} visitor_id,event_time,event_name\nv,2024-03-01,a",
        {"sources": {"web": {"format": "csv", "columns": {"visitor_id": "{} visitor_id"}}}},
    ),
    "ragged_row": (
        "a.csv",
        "visitor_id;event_time;event_name;a,b,c,d,e\nv;2024-03-01;a;b",
        {"sources": {"web": {"delimiter": ";"}}},
    ),
    "invalid_csv": (
        "a.csv",
        'visitor_id|event_time|event_name|p,q,r,s\nv|2024-03-01|a|x,"b"c,d,e',
        {"sources": {"web": {"delimiter": "|"}}},
    ),
    "invalid_log_line": (
        "access.log",
        '192.0.2.7 [01/Mar/2024:12:00:00 +0000] "GET / HTTP/1.1"',
        {"sources": {"web": {"log_format": '%h %t "%r"'}}},
    ),
    "log_format_is_common": (
        "access.log",
        '192.0.2.7 - - [01/Mar/2024:12:00:00 +0000] "GET / HTTP/1.1" 200 12',
        {"sources": {"web": {"log_format": "common"}}},
    ),
}


def ingested(deployment: Deployment) -> dict[str, int]:
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        return vars(run.ingest())


@pytest.mark.long
@pytest.mark.parametrize("reason", CASES)
def test_lines_are_accepted_after_the_named_setting_changes(tmp_path: Path, reason: str) -> None:
    name, content, after = CASES[reason]
    before = {"start_date": date(2024, 3, 2)} if reason == "time_before_start" else {"start_date": date(2024, 1, 1)}
    deployment = Deployment(tmp_path / "a", before)
    path = deployment.folder.raw / "web" / name
    path.parent.mkdir(parents=True)
    path.write_text(content + "\n")
    assert ingested(deployment)["accepted_count"] == 0
    with closing(open_store(deployment.folder)) as store:
        [facts] = [item.facts for item in store.catalog.source_files().values()]
    counts = deployment.table("quarantined_lines")["reason"].value_counts().to_dict()
    sentence = too_many_quarantined(facts, counts)
    key = str(key_to_change(reason, "web"))
    assert set(counts) == {reason}
    if reason.startswith("log_format_is_"):
        assert str(sentence).endswith('set sources.web.log_format = "common" in settings.toml to accept such lines')
    else:
        assert f"for {reason}; see quarantined_lines, then change {key} in settings.toml" in str(sentence)
    assert key.split(".")[0] in after

    deployment.set({"start_date": date(2024, 1, 1), **after})
    assert ingested(deployment)["accepted_count"] > 0
    assert len(deployment.table("quarantined_lines")) == 0
    assert ingested(deployment)["read_count"] == 0

    clean = Deployment(tmp_path / "b", {"start_date": date(2024, 1, 1), **after})
    (clean.folder.raw / "web").mkdir(parents=True)
    (clean.folder.raw / "web" / name).write_text(content + "\n")
    if deployment.folder.visitor_key.exists():
        clean.folder.visitor_key.write_text(deployment.folder.visitor_key.read_text())
    ingested(clean)
    assert clean.hashes() == deployment.hashes()


OF_TEN_LINES = {"path": "web/a.jsonl", "source": "web", "status": "accepted", "format": "jsonl", "line_count": 10}


def test_few_quarantined_lines_cause_no_warning() -> None:
    facts = {**OF_TEN_LINES, "accepted_count": 8, "set_aside_count": 2}
    assert too_many_quarantined(facts, {"invalid_json": 2}) is None
    facts |= {"accepted_count": 7, "set_aside_count": 3}
    said = too_many_quarantined(facts, {"nul_byte": 2, "invalid_json": 1})
    assert said == (
        "raw/web/a.jsonl: 3 of 10 lines were quarantined, 2 of them for nul_byte; see quarantined_lines, then fix"
        " them at their source"
    )


def test_setting_is_named_if_other_lines_of_the_file_were_accepted() -> None:
    facts = {**OF_TEN_LINES, "accepted_count": 5, "set_aside_count": 5}
    said = str(too_many_quarantined(facts, {"invalid_value": 5}))
    assert "then change sources.web.columns.value in settings.toml" in said


def test_list_in_each_of_many_lines_is_not_taken_for_the_events() -> None:
    facts = {**OF_TEN_LINES, "accepted_count": 0, "set_aside_count": 10}
    line = json.dumps({"results": [{"a": 1}]})
    said = str(too_many_quarantined(facts, {"missing_visitor_id": 10}, [("missing_visitor_id", line)] * 10))
    assert "10 of 10 lines were quarantined" in said
    assert "records_in" not in said


@pytest.mark.parametrize(
    ("lines", "fix"),
    [
        (['{"a": 1},', '{"a": 1'], "write no comma after an object"),
        (['{"a": 1', '{"a": 1},'], "write each line as one complete JSON object"),
        (['{"a": 1,'], "write each line as one complete JSON object"),
        (['{"a": 1}}'], "write each line as one complete JSON object"),
    ],
)
def test_advice_for_lines_that_are_no_json_comes_from_the_first(lines: list[str], fix: str) -> None:
    facts = {**OF_TEN_LINES, "accepted_count": 5, "set_aside_count": 5}
    said = too_many_quarantined(facts, {"invalid_json": 5}, [("invalid_json", line) for line in lines])
    assert str(said).endswith(f"then fix them at their source: {fix}")


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("not_an_object", "fix them at their source: write each line as a JSON object"),
        ("too_nested", "fix them at their source: write at most 200 objects or lists within each other"),
        ("duplicate_key", "fix them at their source: write each key of an object once"),
        ("ragged_row", "fix them at their source: write as many fields as the header has, and quote fields that"),
        ("invalid_csv", "fix them at their source: close every quote"),
    ],
)
def test_lines_that_no_setting_accepts_are_fixed_at_their_source(reason: str, fix: str) -> None:
    facts = {**OF_TEN_LINES, "format": "csv", "accepted_count": 7, "set_aside_count": 3}
    assert f"see quarantined_lines, then {fix}" in str(too_many_quarantined(facts, {reason: 3}))
    of_whole_file = too_many_quarantined({**facts, "accepted_count": 0, "set_aside_count": 10}, {reason: 10})
    assert fix in str(of_whole_file)
    assert ("change sources.web.delimiter" in str(of_whole_file)) is (reason in ("ragged_row", "invalid_csv"))


@pytest.mark.parametrize("accepted_count", [0, 7])
@pytest.mark.parametrize(
    ("format", "fix"),
    [
        (
            "tsv",
            "if the first line is no header, set sources.web.header in settings.toml; if a backslash stands before tabs"
            " within fields, set sources.web.escape; otherwise fix them at their source: write as many fields as the"
            " header has, and no tab within a field",
        ),
        ("w3c", "fix them at their source: write as many fields as #Fields names, and a + for each space within a"),
    ],
)
def test_fields_without_quotes_need_no_other_delimiter(format: str, fix: str, accepted_count: int) -> None:
    facts = {**OF_TEN_LINES, "format": format, "accepted_count": accepted_count, "set_aside_count": 3}
    assert f"see quarantined_lines, then {fix}" in str(too_many_quarantined(facts, {"ragged_row": 3}))


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("Export of 3 March\nv\t2024-03-01T12:00:00Z\ta\n", {"header": ["visitor_id", "event_time", "event_name"]}),
        ("visitor_id\tevent_time\tevent_name\nv\t2024-03-01T12:00:00Z\ta\\\tb\n", {"escape": "\\"}),
    ],
)
def test_settings_that_are_named_for_ragged_lines_of_a_tsv_accept_them(
    tmp_path: Path, text: str, sources: dict[str, Any]
) -> None:
    accepted = []
    for number, source in enumerate(({}, sources)):
        deployment = Deployment(tmp_path / str(number), {"start_date": date(2024, 1, 1), "sources": {"web": source}})
        path = deployment.folder.raw / "web" / "a.tsv"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        ingested(deployment)
        accepted += [row["accepted_count"] for row in deployment.records("source_files")]
    assert accepted == [0, 1]


@pytest.mark.parametrize("reason", sorted({*CASES, *(reason for each in CORPUS for reason in each.set_aside.values())}))
def test_setting_of_every_reason_exists(reason: str) -> None:
    key = key_to_change(reason, "web")
    if key is None:
        assert reason not in CASES, "a setting makes these lines accepted"
        return
    of_other_keys = {
        "start_date": "2024-01-01",
        "sources.web.clock_tolerance_minutes": "600",
        "sources.web.delimiter": "';'",
        "sources.web.format": "'csv'",
        "sources.web.log_format": "'common'",
    }
    value = of_other_keys.get(key, "'a field'")
    parse_settings(f"{key} = {value}")


@pytest.mark.parametrize(
    ("reason", "other"),
    [
        (
            "invalid_value",
            "if numbers are written as 12,50, set sources.web.decimal_comma = true; if they have the sign of a"
            " currency, remove it with sources.web.expressions.value",
        ),
        ("invalid_event_time", "if times are written as 20.11.2026 18:10:00, set sources.web.time_format"),
        ("missing_visitor_id", "if the file has no header, set sources.web.header"),
    ],
)
def test_other_setting_that_can_decide_is_named(reason: str, other: str) -> None:
    facts = {"path": "web/a.csv", "source": "web", "format": "csv"}
    counts = {"line_count": 10, "accepted_count": 0, "set_aside_count": 10}
    assert str(too_many_quarantined({**facts, **counts}, {reason: 10})).endswith(f"to accept such lines; {other}")


@pytest.mark.parametrize(("delimiter", "format"), [(",", "csv"), ("\t", "tsv")])
def test_format_is_named_for_a_table_called_like_a_log(delimiter: str, format: str, tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1)})
    path = deployment.folder.raw / "web" / "events.log"
    path.parent.mkdir(parents=True)
    rows = [("visitor_id", "event_time", "event_name"), *[("v", "2024-05-01 10:00:00", "page_view")] * 2]
    path.write_text("".join(delimiter.join(row) + "\n" for row in rows))
    with open_run(deployment.folder, run_id="test") as run:
        run.ingest()
        [warning] = rejected_files(run.folder, run.settings, run.store, run.until)
    assert warning.endswith(
        f"if the file is {format.upper()}, rename it to end in .{format}, or, if all files of the source are, set"
        f' sources.web.format = "{format}" in settings.toml'
    )


def test_carriage_returns_within_lines_of_a_log_are_no_error(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1)})
    path = deployment.folder.raw / "web" / "app.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"started the job\rprogress 10%\rprogress 100%\ndone\nbye\nfoo bar\n")
    with open_run(deployment.folder, run_id="test") as run:
        run.ingest()
        [warning] = rejected_files(run.folder, run.settings, run.store, run.until)
    assert "4 of 4 lines" in warning


@pytest.mark.parametrize(
    ("header", "row", "fix"),
    [
        (
            "visitor_id^event_time^event_name",
            "v^2024-03-01^a",
            "if ^ separates the fields, set sources.web.delimiter = ",
        ),
        ("a~b~c d", "v~2024-03-01~a", 'if ~ separates the fields, set sources.web.delimiter = "~" in settings.toml'),
        ("a~b~c", "v^2024-03-01^a", None),
        ("visitor_id^time", "v^2024-03-01", None),
        ("a.b.c-d-e_f_g", "v.w.x-y-z", None),
        ('"visitor_id,event_time"', '"v,2024-03-01"', "fix them at their source: the rows are quoted as a whole"),
        ('"visitor_id;event_time",', '"v;2024-03-01",', "fix them at their source: the rows are quoted as a whole"),
    ],
)
def test_rows_that_are_not_split_are_explained(header: str, row: str, fix: str | None, tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1)})
    path = deployment.folder.raw / "web" / "a.csv"
    path.parent.mkdir(parents=True)
    path.write_text(f"{header}\n{row}\n")
    with open_run(deployment.folder, run_id="test", until=date(2024, 3, 2)) as run:
        run.ingest()
        [warning] = rejected_files(run.folder, run.settings, run.store, run.until)
    assert (fix or "columns.visitor_id") in warning
    assert ("columns.visitor_id" in warning) is (fix is None)


@pytest.mark.parametrize(("name", "settings"), [("a.tsv", {}), ("a.csv", {"delimiter": ","})])
def test_wrong_delimiter_is_no_row_in_quotes(name: str, settings: dict[str, str], tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1), "sources": {"web": settings}})
    path = deployment.folder.raw / "web" / name
    path.parent.mkdir(parents=True)
    path.write_text("visitor_id|event_time|event_name\nv|2024-03-01|a\n")
    with open_run(deployment.folder, run_id="test", until=date(2024, 3, 2)) as run:
        run.ingest()
        [warning] = rejected_files(run.folder, run.settings, run.store, run.until)
    assert 'if | separates the fields, set sources.web.delimiter = "|" in settings.toml' in warning


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (without("", value=float("nan")), "fix them at their source: NaN and Infinity are not JSON: write null"),
        (without("", value="\U0001f600", x=float("nan")), "NaN and Infinity are not JSON: write null"),
        (without("", value="\ud83d"), r"such as \ud83d, is not a character: cut texts between characters"),
        (without("") + ",", "fix them at their source: write no comma after an object"),
        ("\ufeff" + without(""), "fix them at their source: remove the byte order marks within the file"),
        ("{'visitor_id': 'v'}", "fix them at their source: write each line as one complete JSON object"),
        (without("") + "\u2028", "fix them at their source: write each line as one complete JSON object"),
        ("v,2024-03-01,a", "change sources.web.format in settings.toml to accept such lines"),
    ],
)
def test_what_is_wrong_with_json_is_named(line: str, what: str) -> None:
    facts = {"path": "web/a.jsonl", "source": "web", "format": "jsonl", "status": "accepted"}
    counts = {"line_count": 10, "accepted_count": 0, "set_aside_count": 10}
    said = too_many_quarantined({**facts, **counts}, {"invalid_json": 9, "nul_byte": 1}, [("invalid_json", line)])
    assert str(said).endswith(what)
    said = too_many_quarantined({**facts, **counts, "accepted_count": 1}, {"invalid_json": 9}, [("invalid_json", line)])
    assert "fix them at their source" in str(said)


@pytest.mark.long
@pytest.mark.parametrize("source", ["web.v2", "a b", "web"])
def test_named_keys_can_be_written_for_any_source(tmp_path: Path, source: str) -> None:
    def key_in(text: str, pattern: str) -> str:
        [found] = re.findall(pattern, text)
        return str(found)

    facts = {"path": "a.jsonl", "source": source, "format": "jsonl", "preset": None, "line_count": 1,
             "accepted_count": 0, "set_aside_count": 1, "status": "accepted"}  # fmt: skip
    table = {**facts, "format": "csv"}
    keys = [key_to_change(reason, source) for reason in CASES if reason != "time_before_start"]
    others = ("invalid_value", "invalid_event_time", "missing_visitor_id")
    with_others = [str(too_many_quarantined(table, {reason: 1})) for reason in others]
    keys += [key_in(said, r"; if .+ set (sources.+?)(?: = .*)?$") for said in with_others]
    said = str(too_many_quarantined(facts, {"missing_visitor_id": 1}, presets=["segment"]))
    keys.append(key_in(said, r"set (\S.+) = "))

    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1)})
    path = deployment.folder.raw / source / "access.log"
    path.parent.mkdir(parents=True)
    path.write_text(CASES["log_format_is_common"][1] + "\n")
    ingested(deployment)
    [line] = deployment.records("quarantined_lines")
    keys.append(key_in(line["detail"], r"set (\S.+) = "))
    for key in keys:
        assert tomllib.loads(f"{key} = 1")["sources"].keys() == {source}, key


def test_catalog_keeps_the_reasons(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1)})
    deployment.deliver("a", ["{}", "x", "y"], source="web")
    ingested(deployment)
    store = open_store(deployment.folder)
    [partition] = store.of_table("quarantined_lines")
    store.close()
    assert partition.counts == {"invalid_json": 2, "missing_visitor_id": 1}
