"""Tests which files are recognized as files of a preset, and what the commands say about it."""

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.checks import rejected_files
from session_pipeline.ingest.admission.recognition import recognized_preset
from session_pipeline.run.pipeline import open_run
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


@pytest.mark.parametrize("sign", ["\u2028", "\x0b", "\x85"])
def test_line_of_a_table_ends_only_at_a_line_end(sign: str, tmp_path: Path) -> None:
    lines = ["schema,eventType,timestamp,deviceId,path", f"vercel.analytics.v2,pageview,1777888800000,7,/a{sign}b"]
    [found] = facts(deployment(tmp_path, "\n".join(lines), "a.csv"))
    assert (found.get("preset"), found["accepted_count"]) == ("vercel", 1)


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


RESULTS: list[dict[str, Any]] = [{"next": "x", "results": POSTHOG[:2]}, {"next": None, "results": POSTHOG[2:]}]
NO_RESULTS: dict[str, Any] = {"next": "x", "results": []}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("pages", "preset"),
    [
        (RESULTS, "posthog"),
        ([{"orders": [{**ORDER, "id": number}]} for number in range(30)], "shopify"),
        ([{"results": POSTHOG * 40}] * 2, "posthog"),  # the first is more than is looked at
        ([NO_RESULTS, *RESULTS], "posthog"),
        ([RESULTS[0], {"results": [{"event": "x"}]}], None),
        ([RESULTS[0], {"error": "too many requests"}], None),
        ([NO_RESULTS, NO_RESULTS], None),
    ],
    ids=["two", "thirty", "long", "empty first", "another kind", "no list", "empty"],
)
def test_several_answers_of_an_api_are_recognized(pages: list[Any], preset: str | None, indent: int | None) -> None:
    content = "\n".join(json.dumps(page, indent=indent) for page in pages).encode()
    assert recognized_preset(io.BytesIO(content), Path("a.json"), "jsonl") == preset


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


@pytest.mark.parametrize(("key", "is_said"), [({"format": "jsonl"}, True), ({"columns": {"element": "x"}}, False)])
def test_preset_is_suggested_for_a_source_with_only_a_format(
    key: dict[str, Any], is_said: bool, tmp_path: Path
) -> None:
    text = "".join(json.dumps(line) + "\n" for line in POSTHOG)
    found = warnings(deployment(tmp_path, text, "export.txt" if "format" in key else "a.jsonl", **key))
    assert ('if they are of posthog, set sources.web.preset = "posthog" in settings.toml' in found) is is_said


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


@pytest.mark.parametrize(
    "column",
    [
        pa.array([253402300799999999], pa.timestamp("us", tz="Europe/Berlin")),
        pa.array([-62135596800000000], pa.timestamp("us", tz="America/New_York")),
        pa.array([1714816800000000000], pa.timestamp("us")),
        pa.array([3_000_000], pa.date32()),
        pa.array([2**62], pa.duration("us")),
        pa.array([0], pa.timestamp("us", tz="Nowhere/Town")),
    ],
    ids=["the end of year 9999", "year 1", "nanoseconds as microseconds", "a late date", "long", "unknown time zone"],
)
def test_value_that_python_cannot_hold_stops_neither_its_file_nor_others(column: pa.Array, tmp_path: Path) -> None:
    made = deployment(tmp_path, json.dumps(NATIVE) + "\n")
    file = {name: pa.array([value]) for name, value in NATIVE.items()} | {"valid_to": column}
    pq.write_table(pa.table(file), made.folder.raw / "web" / "b.parquet")
    assert [(each["status"], each["accepted_count"]) for each in facts(made)] == [("accepted", 1), ("accepted", 1)]
