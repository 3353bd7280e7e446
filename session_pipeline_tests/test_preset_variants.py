"""Tests variants of the example files, as real exports have them: compressed, with nulls, Parquet, without consent."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS
from session_pipeline.settings import parse_settings
from session_pipeline_tests.ingesting import KEY, Ingest
from session_pipeline_tests.presets.pages import PAGES
from session_pipeline_tests.presets.reading import FileResult, examples, read_files
from session_pipeline_tests.presets.story import events_of, sessions_of

pytestmark = pytest.mark.long  # further cases of what the usual tests cover

Line = dict[str, Any]
# Files with one JSON object a line; lists over several lines are no lines to change.
EXAMPLES = {
    path.parent.name: path for path in examples() if path.suffix in (".json", ".jsonl") and path.read_text()[0] == "{"
}
VALUE = pa.struct(
    [("string_value", pa.string()), ("int_value", pa.int64()), ("float_value", pa.float64()),
     ("double_value", pa.float64())]
)  # fmt: skip
PARAMS = pa.list_(pa.struct([("key", pa.string()), ("value", VALUE)]))


def lines_of(preset: str) -> list[Line]:
    return [json.loads(line) for line in EXAMPLES[preset].read_text().splitlines()]


def jsonl(lines: list[Line]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def compressed(folder: Path, preset: str) -> Path:
    path = folder / f"{EXAMPLES[preset].name}.gz"
    path.write_bytes(gzip.compress(EXAMPLES[preset].read_bytes()))
    return path


def with_nulls(folder: Path, preset: str) -> Path:
    """Every field that some line has is in every line, as null where it had none."""
    lines = lines_of(preset)
    names = list(dict.fromkeys(name for line in lines for name in line))
    path = folder / "nulls.jsonl"
    path.write_text(jsonl([{name: line.get(name) for name in names} for line in lines]))
    return path


def without_nulls(folder: Path, preset: str) -> Path:
    path = folder / "short.jsonl"
    path.write_text(
        jsonl([{name: value for name, value in line.items() if value is not None} for line in lines_of(preset)])
    )
    return path


def shuffled(folder: Path, preset: str) -> Path:
    """Lines in another order, with the keys of objects in another order."""
    lines = sorted((dict(reversed(line.items())) for line in lines_of(preset)), key=lambda line: json.dumps(line)[-40:])
    path = folder / "shuffled.jsonl"
    path.write_text("\ufeff" + jsonl(lines).replace("\n", "\r\n"))
    return path


VARIANTS: Mapping[str, Callable[[Path, str], Path]] = {
    "gz": compressed,
    "nulls": with_nulls,
    "short": without_nulls,
    "shuffled": shuffled,
}


@pytest.fixture(
    scope="module",
    # Compressed files are read in the same way whatever they contain, and test_presets.py has the same lines.
    params=[pytest.param(name, marks=pytest.mark.nightly if name == "gz" else ()) for name in VARIANTS],
)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def results(variant: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, FileResult]:
    folder = tmp_path_factory.mktemp("variants")
    for preset in EXAMPLES:
        (folder / preset).mkdir()
    return read_files(
        folder / "data", {preset: (None, VARIANTS[variant](folder / preset, preset)) for preset in EXAMPLES}
    )


@pytest.mark.parametrize("preset", EXAMPLES)
def test_variant_is_recognized_and_tells_the_same_story(
    preset: str, variant: str, results: Mapping[str, FileResult]
) -> None:
    found = results[preset]
    assert found.facts["preset"] == preset
    assert found.quarantined == []
    if variant != "shuffled":  # events of the same second are in the order of the lines
        assert found.events == events_of(preset)
    assert found.sessions == sessions_of(preset)


def read(folder: Path, preset: str | None, path: Path) -> FileResult:
    return read_files(folder / "data", {"web": (preset, path)})["web"]


def as_parquet(lines: list[Line], path: Path) -> Path:
    """Write GA4's lines with the types of BigQuery's export."""

    def params(found: list[Line]) -> list[Line]:
        values = [{**each["value"]} for each in found]
        for value in values:
            if "int_value" in value:
                value["int_value"] = int(value["int_value"])
        return [{"key": each["key"], "value": value} for each, value in zip(found, values, strict=True)]

    numbers = ("event_timestamp", "batch_page_id", "batch_ordering_id", "batch_event_index", "event_bundle_sequence_id")
    rows = [
        {
            **line,
            "event_params": params(line["event_params"]),
            **{name: int(line[name]) for name in numbers},
            "user_id": line.get("user_id"),
            "ecommerce": {"purchase_revenue": line.get("ecommerce", {}).get("purchase_revenue")},
            "collected_traffic_source": {
                f"manual_{name}": line.get("collected_traffic_source", {}).get(f"manual_{name}")
                for name in ("source", "medium", "campaign_name", "term", "content")
            },
        }
        for line in lines
    ]
    names = [name for name in rows[0] if name not in ("event_params", "user_properties")]
    columns = {name: pa.array([row.get(name) for row in rows]) for name in names}
    columns["event_params"] = pa.array([row["event_params"] for row in rows], PARAMS)
    columns["user_properties"] = pa.array([[] for _ in rows], PARAMS)
    pq.write_table(pa.table(columns), path)
    return path


def test_ga4_parquet_tells_the_same_story(tmp_path: Path) -> None:
    found = read(tmp_path, None, as_parquet(lines_of("ga4"), tmp_path / "events.parquet"))
    assert (found.facts["preset"], found.facts["format"], found.quarantined) == ("ga4", "parquet", [])
    assert found.events == events_of("ga4")
    assert found.sessions == sessions_of("ga4")


def as_csv(rows: list[Line]) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def with_text(lines: list[Line]) -> list[Line]:
    """The lines as a database unloads them: with objects and lists as JSON in text."""
    return [
        {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in line.items()}
        for line in lines
    ]


def flat(line: Line, prefix: str = "") -> Line:
    found: Line = {}
    for name, value in line.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def parquet_of_text(lines: list[Line]) -> bytes:
    names = list(dict.fromkeys(name for line in lines for name in line))
    rows = [{name: None if row.get(name) is None else str(row[name]) for name in names} for row in with_text(lines)]
    pq.write_table(pa.Table.from_pylist(rows), file := io.BytesIO())
    return file.getvalue()


def test_table_with_json_as_text_gives_the_rows_of_the_json_lines(tmp_path: Path) -> None:
    ingest = Ingest(tmp_path)
    for preset in WITH_OBJECTS:
        rules = rules_of(parse_settings(f'[sources.web]\npreset = "{preset}"'), "web", KEY)
        lines = lines_of(preset)
        tables = {"a.csv": as_csv(with_text(lines)), "a.parquet": parquet_of_text(lines)}
        if preset != "ga4":
            tables["flat.csv"] = as_csv([flat(line) for line in lines])
        expected = ingest.take(jsonl(lines), "a.jsonl", rules)
        for name, content in tables.items():
            taken = ingest.take(content, f"{preset}-{name}", rules)
            assert taken.quarantined == [], (preset, name)
            for column in set(DELIVERED_COLUMNS) - {"properties"}:
                assert taken.column(column) == expected.column(column), (preset, name, column)
    ingest.close()


def test_objects_of_parquet_keep_the_ids_of_their_lines(tmp_path: Path) -> None:
    ingest = Ingest(tmp_path)
    rules = rules_of(parse_settings('[sources.web]\npreset = "ga4"'), "web", KEY)
    rules = replace(rules, expressions={})  # without event ids
    admitted = ingest.admit(as_parquet(lines_of("ga4"), ingest.root / "events.parquet"), rules)
    ids = [ingest.read(admitted, each).column("event_id") for each in (rules, replace(rules, json_columns=()))]
    ingest.close()
    assert ids[0] == ids[1]


WITH_OBJECTS = ("amplitude", "ga4", "mixpanel", "rudderstack", "segment")


@pytest.fixture(scope="module")
def of_tables(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, FileResult]:
    """What tables with JSON as text tell. All are read in one folder, which takes little longer than one of them."""
    folder = tmp_path_factory.mktemp("tables")
    files = {}
    for preset in WITH_OBJECTS:
        (folder / preset).mkdir()
        path = folder / preset / "events.csv"
        path.write_bytes(as_csv(with_text(lines_of(preset))))
        files[preset] = (None, path)
    return read_files(folder / "data", files)


@pytest.mark.parametrize("preset", WITH_OBJECTS)
def test_table_with_json_as_text_is_recognized(preset: str, of_tables: Mapping[str, FileResult]) -> None:
    found = of_tables[preset]
    assert (found.facts["preset"], found.quarantined, found.events) == (preset, [], events_of(preset))
    assert found.sessions == sessions_of(preset)


def test_ga4_event_without_consent_is_quarantined(tmp_path: Path) -> None:
    lines = lines_of("ga4")
    denied = {**lines[0], "user_pseudo_id": None, "privacy_info": {"analytics_storage": "No"}}
    path = tmp_path / "events.json"
    path.write_text(jsonl([*lines, denied]))
    found = read(tmp_path, None, path)
    assert [(number, reason) for number, reason, _ in found.quarantined] == [(len(lines) + 1, "missing_visitor_id")]
    assert found.sessions == sessions_of("ga4")


@pytest.mark.parametrize("preset", ["plausible", "umami"])
def test_rows_of_a_database_as_json_and_csv(preset: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    if preset == "plausible":
        lines = [{name: json.dumps(v) if isinstance(v, list) else v for name, v in line.items()} for line in
                 lines_of(preset)]  # fmt: skip
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, lines[0].keys())
            writer.writeheader()
            writer.writerows(lines)
    else:
        [example] = [each for each in examples() if each.parent.name == preset]
        rows = list(csv.DictReader(example.read_text().splitlines()))
        path = tmp_path / "rows.jsonl"
        path.write_text(jsonl([{**row, "event_type": int(row["event_type"]), "revenue": row["revenue"] or None}
                               for row in rows]))  # fmt: skip
    found = read(tmp_path, None, path)
    assert (found.facts["preset"], found.quarantined) == (preset, [])
    assert found.events == events_of(preset)
    assert found.sessions == sessions_of(preset)


EPOCH_UNITS = (1, 1_000, 1_000_000)
WRITTEN_TIMES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.000000+00")
MISSING_VALUES = ("\\N", "", "\0\0\0")


def with_epochs(unit: int) -> list[Line]:
    lines = lines_of("mixpanel")
    for line in lines:
        line["properties"]["time"] *= unit
    return lines


def with_written_times(written: str) -> list[Line]:
    lines = lines_of("posthog")
    for line in lines:
        line["timestamp"] = datetime.fromisoformat(line["timestamp"]).strftime(written)
    return lines


def with_missing_values(missing: str) -> list[Line]:
    names = ("country_code", "revenue_source_currency", "revenue_source_amount", "utm_source", "referrer")
    lines = [
        {name: missing if name in names and value in ("", None, "DE") else value for name, value in line.items()}
        for line in lines_of("plausible")
    ]
    if missing.startswith("\0"):  # only columns of a fixed length have NULs
        lines = [{**line, "utm_source": line["utm_source"].strip("\0"), "referrer": ""} for line in lines]
    return lines


@pytest.fixture(scope="module")
def of_values(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, object], FileResult]:
    """What files with other values tell. All are read in one folder, which takes little longer than one of them."""
    folder = tmp_path_factory.mktemp("values")
    variants: dict[tuple[str, object], tuple[str | None, list[Line]]] = {
        **{("mixpanel", unit): ("mixpanel", with_epochs(unit)) for unit in EPOCH_UNITS},
        **{("posthog", written): ("posthog", with_written_times(written)) for written in WRITTEN_TIMES},
        **{("plausible", missing): (None, with_missing_values(missing)) for missing in MISSING_VALUES},
    }
    files = {}
    for number, (preset, lines) in enumerate(variants.values()):
        path = folder / f"export-{number}.jsonl"
        path.write_text(jsonl(lines))
        files[f"web-{number}"] = (preset, path)
    return dict(zip(variants, read_files(folder / "data", files).values(), strict=True))


@pytest.mark.parametrize("unit", EPOCH_UNITS)
def test_epoch_times_of_any_unit_give_the_same_sessions(
    unit: int, of_values: Mapping[tuple[str, object], FileResult]
) -> None:
    assert of_values["mixpanel", unit].sessions == sessions_of("mixpanel")


@pytest.mark.parametrize("written", WRITTEN_TIMES)
def test_times_as_text_give_the_same_sessions(written: str, of_values: Mapping[tuple[str, object], FileResult]) -> None:
    assert of_values["posthog", written].sessions == sessions_of("posthog")


def test_call_of_a_server_counts_for_its_user(tmp_path: Path) -> None:
    call = {**lines_of("segment")[0], "anonymousId": None, "userId": "u-1", "context": {}, "type": "track",
            "event": "Order Refunded", "properties": {"value": None}}  # fmt: skip
    path = tmp_path / "calls.json"
    path.write_text(jsonl([call]))
    found = read(tmp_path, "segment", path)
    assert (found.quarantined, dict(found.names)) == ([], {"Order Refunded": 1})


def test_raw_logs_of_segment_are_read_with_the_settings_of_its_page(tmp_path: Path) -> None:
    page = (PAGES / "segment.md").read_text()
    settings = page.split("```toml\n")[1].split("```")[0]
    ingest = Ingest(tmp_path)
    name = "segment-logs/ab12/1714953600000/1714979289000.1714979350000.5f3e2c1d.gz"
    (ingest.root / name).parent.mkdir(parents=True)
    taken = ingest.take(
        gzip.compress(EXAMPLES["segment"].read_bytes()), name, rules_of(parse_settings(settings), "web", KEY)
    )
    ingest.close()
    assert (taken.admitted.format, taken.quarantined) == ("jsonl", [])
    assert len(taken.events) == len(lines_of("segment"))


def test_screen_of_an_app_is_a_page_view(tmp_path: Path) -> None:
    call = {**lines_of("segment")[0], "type": "screen", "name": "Checkout", "context": {}, "properties": {}}
    path = tmp_path / "calls.json"
    path.write_text(jsonl([call]))
    [event] = read(tmp_path, "segment", path).events
    assert (event.name, event.path) == ("page_view", "/Checkout")


def test_ga4_table_that_is_exported_again_counts_each_event_once(tmp_path: Path) -> None:
    lines = lines_of("ga4")
    changed = [{**line, "is_active_user": False} for line in lines]
    path = tmp_path / "events.json"
    path.write_text(jsonl([*lines, *changed]))
    found = read(tmp_path, "ga4", path)
    assert found.facts["accepted_count"] == 2 * len(lines)
    assert found.events == events_of("ga4")
    assert found.sessions == sessions_of("ga4")


def test_posthog_parquet_has_its_properties_as_text(tmp_path: Path) -> None:
    lines = lines_of("posthog")
    rows = [
        {**line, **{name: json.dumps(line[name]) for name in ("properties", "person_properties")}} for line in lines
    ]
    times = [datetime.fromisoformat(line["timestamp"]) for line in lines]
    columns = {name: pa.array([row[name] for row in rows]) for name in rows[0]}
    columns["timestamp"] = pa.array(times, pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table(columns), tmp_path / "events.parquet")
    found = read(tmp_path, None, tmp_path / "events.parquet")
    assert (found.facts["preset"], found.quarantined) == ("posthog", [])
    assert found.events == events_of("posthog")
    assert found.sessions == sessions_of("posthog")


def test_posthog_responses_of_the_api_tell_the_same_story(tmp_path: Path) -> None:
    lines = lines_of("posthog")
    pages = [{"next": None, "results": lines[:9]}, {"next": "https://eu.posthog.com/api/...", "results": lines[9:]}]
    files = {}
    for source, indent in (("compact", None), ("indented", 2)):
        path = tmp_path / f"{source}.json"
        path.write_text("\n".join(json.dumps(page, indent=indent) for page in pages))
        files[source] = ("posthog", path)
    for source, found in read_files(tmp_path / "data", files).items():
        assert (found.quarantined, found.facts["line_count"]) == ([], len(lines)), source
        assert found.events == events_of("posthog")
        assert found.sessions == sessions_of("posthog")


@pytest.mark.parametrize("missing", MISSING_VALUES)
def test_missing_values_of_clickhouse_give_the_same_sessions(
    missing: str, of_values: Mapping[tuple[str, object], FileResult]
) -> None:
    found = of_values["plausible", missing]
    assert (found.facts["preset"], found.quarantined) == ("plausible", [])
    assert found.sessions == sessions_of("plausible")
