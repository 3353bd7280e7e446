"""Tests delivered Parquet files: what their rows become, and that damaged or misleading files are rejected."""

import gzip
import io
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.errors import CorruptFileError, RefusedFileError
from session_pipeline.ingest.admission.admit import id_of_content
from session_pipeline.ingest.admission.file_names import is_called_like_a_file
from session_pipeline.ingest.formats import compression
from session_pipeline.ingest.formats import parquet_content as parquet
from session_pipeline.ingest.formats.compression import zstd
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.ingesting import RULES, Ingest

TIME = datetime(2024, 3, 1, 12, 0, 0, 123456)


def written(columns: dict[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, **options)
    return buffer.getvalue()


def events(count: int = 3, **columns: Any) -> dict[str, Any]:
    return {
        "visitor_id": [f"v{number}" for number in range(count)],
        "event_time": pa.array([TIME] * count, pa.timestamp("us", "UTC")),
        "event_name": ["page_view"] * count,
        **columns,
    }


def test_rows_are_read_by_column_name(ingest: Ingest) -> None:
    content = written(
        events(
            2,
            value=pa.array([Decimal("1234567890.123456"), None], pa.decimal128(18, 6)),
            status_code=pa.array([200, None], pa.int16()),
            sequence=pa.array([2**53 + 1, 2], pa.uint64()),
            plan=["pro", None],
            price=pa.array([Decimal("0.10"), Decimal("-99999999999999999999.99")], pa.decimal128(38, 2)),
            ratio=pa.array([0.1, float("nan")]),
            tags=[["a", "b"], []],
            device=pa.array([{"os": "x", "at": TIME.replace(tzinfo=UTC)}, None],
                            pa.struct([("os", pa.string()), ("at", pa.timestamp("us", "Europe/Berlin"))])),
            counts=pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
            born=[date(2000, 2, 29), None],
            blob=pa.array([b"text", b"\xff\x00"], pa.binary()),
            is_new=[True, False],
        )
    )  # fmt: skip
    taken = ingest.take(content, "a.parquet")
    first, second = taken.events
    assert [event["line_number"] for event in taken.events] == [1, 2]
    assert (first["visitor_id"], first["event_time"], first["status_code"]) == ("v0", TIME, 200)
    assert (first["value"], first["sequence"]) == (Decimal("1234567890.123456"), 2**53 + 1)
    assert first["properties"] == (
        '{"plan":"pro","price":"0.10","ratio":0.1,"tags":["a","b"],'
        '"device":{"os":"x","at":"2024-03-01 12:00:00.123456Z"},"counts":{"k":1},"born":"2000-02-29",'
        '"blob":"text","is_new":true}'
    )
    assert json.loads(second["properties"], parse_float=Decimal) == {
        "price": "-99999999999999999999.99", "ratio": "nan", "tags": [], "blob": "FF00", "is_new": False,
    }  # fmt: skip
    assert (taken.admitted.byte_count, taken.admitted.line_count) == (len(content), 2)
    assert taken.reading.mapping["value"] == "value"


@pytest.mark.parametrize(
    ("unit", "tz", "hour"),
    [
        # DuckDB has one type for instants, and another for those in nanoseconds.
        pytest.param(unit, tz, hour, marks=[] if unit in ("ms", "ns") or tz is None else pytest.mark.nightly)
        for tz, hour in (("UTC", 12), ("Asia/Tokyo", 12), (None, 17))
        for unit in ("s", "ms", "us", "ns")
    ],
)
def test_times_are_instants_or_local_to_the_source(ingest: Ingest, unit: str, tz: str | None, hour: int) -> None:
    rules = replace(RULES, timezone="America/New_York")
    time = TIME.replace(microsecond=0)
    column = (
        pa.array([time], pa.timestamp(unit)).cast(pa.timestamp(unit, tz))
        if tz
        else pa.array([time], pa.timestamp(unit))
    )
    taken = ingest.take(written(events(1, event_time=column)), "a.parquet", rules)
    assert taken.column("event_time") == [time.replace(hour=hour)]


def test_numbers_are_accepted_as_times_and_ids(ingest: Ingest) -> None:
    taken = ingest.take(
        written(events(3, visitor_id=[1, 2, 3], event_time=[1709294400.5, float("inf"), float("nan")])), "a.parquet"
    )
    assert taken.column("visitor_id") == ["1"]
    assert taken.column("event_time") == [datetime(2024, 3, 1, 12, 0, 0, 500000)]
    assert taken.reasons == {2: "invalid_event_time", 3: "invalid_event_time"}


def test_bad_rows_are_quarantined_as_json(ingest: Ingest) -> None:
    content = written(
        events(
            6,
            visitor_id=["v", None, "v", "v", "v\0", "v"],
            event_name=["a", "a", None, "a", "a", r"\\u0000"],
            note=["", "at 192.0.2.7", "", "x" * (300 << 10), "", ""],
        )
    )
    taken = ingest.take(content, "a.parquet")
    assert taken.reasons == {
        2: "missing_visitor_id", 3: "missing_event_name", 4: "line_too_long", 5: "nul_byte",
    }  # fmt: skip
    assert json.loads(taken.quarantined[0]["line"])["note"] == "at [address]"
    assert [event["line_number"] for event in taken.events] == [1, 6]


@pytest.mark.long
def test_rows_keep_order_over_row_groups_and_struct_fields_work(ingest: Ingest) -> None:
    count = 50_000
    users = pa.array([{"id": f"v{number}"} for number in range(count)])
    table = {**events(count), "user": users, "Plan": ["a"] * count, "plan": ["b"] * count}
    del table["visitor_id"]
    content = written(table, row_group_size=7_000, compression="zstd")
    taken = ingest.take(content, "a.parquet", replace(RULES, columns={"visitor_id": "user.id"}))
    assert taken.column("visitor_id") == [f"v{number}" for number in range(count)]
    assert taken.column("line_number") == list(range(1, count + 1))
    assert json.loads(taken.events[0]["properties"]) == {"user": {"id": "v0"}, "Plan": "a", "plan": "b"}


def test_empty_file_has_no_rows(ingest: Ingest) -> None:
    taken = ingest.take(written(events(0)), "a.parquet")
    assert (taken.admitted.line_count, taken.reading.days) == (0, ())


def test_every_truncated_file_is_corrupt(ingest: Ingest) -> None:
    content = written(events())
    for length in range(0, len(content), 7):
        with pytest.raises(CorruptFileError, match="Parquet"):
            ingest.admit(ingest.deliver(content[:length], "a.parquet"))


@pytest.mark.long
def test_damage_is_detected_by_checksums_and_never_breaks_a_run(ingest: Ingest) -> None:
    content = written(events(200, plan=[f"plan {number}" for number in range(200)]), write_page_checksum=True)
    (footer_bytes,) = struct.unpack("<I", content[-8:-4])
    pages = len(content) - footer_bytes - 8
    found = 0
    for place in range(4, len(content), 11):
        damaged = bytearray(content)
        damaged[place] ^= 0x41
        try:
            ingest.read(ingest.admit(ingest.deliver(bytes(damaged), "a.parquet")))
        except (CorruptFileError, RefusedFileError):
            found += place < pages
    # No checksum covers the parts of page headers other than sizes, for example statistics.
    assert found > 0.8 * len(range(4, pages, 11))


def test_file_with_absurd_sizes_is_refused(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    same = written({**events(1), "visitor_id": ["v"]})
    assert len(ingest.take(same, "a.parquet").events) == 1
    monkeypatch.setattr(parquet, "FREE_ROWS", 1000)
    many = written({"visitor_id": pa.array(["v"] * 3_000_000)}, compression="zstd")
    with pytest.raises(RefusedFileError, match="claims 3,000,000 rows in"):
        ingest.admit(ingest.deliver(many, "a.parquet"))
    monkeypatch.setattr(compression, "EXPANSION_FREE_BYTES", 1 << 20)
    long = written({"visitor_id": pa.array(["x" * 100_000] * 900)}, compression="zstd")
    with pytest.raises(RefusedFileError, match="expands"):
        ingest.admit(ingest.deliver(long, "a.parquet"))


def test_only_parquet_is_read_as_parquet(ingest: Ingest) -> None:
    content = written(events())
    for name in ("a.jsonl", "a.jsonl.gz"):
        with pytest.raises(CorruptFileError, match="it is Parquet"):
            ingest.admit(ingest.deliver(content, name))
    with pytest.raises(CorruptFileError, match="not Parquet"):
        ingest.admit(ingest.deliver(b'{"a":1}\n' * 9, "a.parquet"))
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), buffer)
    path = ingest.deliver(buffer.getvalue(), "a.parquet")
    with pytest.raises(RefusedFileError, match="more than one column 'a'"):
        ingest.admit(path)


def test_name_may_end_in_the_compression_within(ingest: Ingest) -> None:
    content = written(events(), compression="zstd")
    plain = ingest.admit(ingest.deliver(content, "a.parquet"))
    for ending in (".gz", ".zst", ".sz", ".snappy", ".br", ".LZ4"):
        path = ingest.deliver(content, f"a.parquet{ending}")
        taken = ingest.read(ingest.admit(path))
        assert (taken.admitted.file_id, len(taken.events)) == (plain.file_id, 3)
        found = id_of_content(path, root=ingest.root, source=RULES.source, scratch=ingest.scratch)
        assert found == plain.file_id
        assert not is_called_like_a_file(path.name), "a folder of Parquet files can have such a name"


@pytest.mark.parametrize("ending", [".gz", ".zst", ".sz", ".br"])
def test_parquet_within_another_compression_is_refused(ingest: Ingest, ending: str) -> None:
    compress = {".gz": gzip.compress, ".zst": zstd.compress}.get(
        ending, lambda content: b"\xff\x06\0\0sNaPpY" + content
    )
    path = ingest.deliver(compress(written(events())), f"a.parquet{ending}")
    with pytest.raises(RefusedFileError, match=f"compressed within; deliver it without {ending}"):
        ingest.admit(path)


@pytest.mark.long
def test_parquet_and_json_give_the_same_sessions(tmp_path: Path) -> None:
    rows = [
        {"visitor_id": f"v{number % 3}", "event_id": str(number), "event_time": f"2024-03-01T{10 + number // 4}:00:00Z",
         "event_name": "page_view", "page_url": f"https://shop.example/{number % 5}"}
        for number in range(40)
    ]  # fmt: skip
    found = []
    for kind in ("jsonl", "parquet"):
        deployment = Deployment(tmp_path / kind, {"start_date": date(2024, 1, 1)}, only=("sessions",))
        if kind == "jsonl":
            deployment.deliver("a", rows)
        else:
            path = deployment.folder.raw / "test" / "a.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist(rows), path)
        deployment.run(date(2024, 3, 3))
        found.append(deployment.table("sessions"))
    assert len(found[0]) > 10
    assert found[0].equals(found[1])


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_text_encodings_without_dictionary_are_read(ingest: Ingest, encoding: str) -> None:
    named = events(3, event_name=["page_view"] * 3, tags=[["a"], ["ab", "abc"], []])
    texts = ("visitor_id", "event_name", "tags.list.element")
    content = written(named, use_dictionary=False, column_encoding=dict.fromkeys(texts, encoding))
    taken = ingest.take(content, "a.parquet")
    assert [row["visitor_id"] for row in taken.events] == ["v0", "v1", "v2"]
    assert json.loads(taken.events[1]["properties"]) == {"tags": ["ab", "abc"]}


@pytest.mark.long
def test_delta_encoded_text_cannot_expand_without_limit(ingest: Ingest) -> None:
    swelling = events(300, title=["y" * 1_000_000] * 300)
    content = written(swelling, use_dictionary=False, column_encoding={"title": "DELTA_BYTE_ARRAY"})
    with pytest.raises(RefusedFileError, match="expands to more than"):
        ingest.take(content, "a.parquet")


@pytest.mark.parametrize(("column_count", "is_in_a_struct"), [(1, False), (1, True), (20, False)])
def test_long_values_of_fixed_length_are_decoded_in_small_batches(
    monkeypatch: pytest.MonkeyPatch, column_count: int, is_in_a_struct: bool
) -> None:
    length = 10_000
    values = pa.DictionaryArray.from_arrays(
        pa.array([0] * 8000, pa.int32()), pa.array([b"x" * length], pa.binary(length))
    )
    column = pa.StructArray.from_arrays([values], ["value"]) if is_in_a_struct else values
    content = written({f"column_{number}": column for number in range(column_count)}, store_schema=False)
    for module in (compression, parquet):
        monkeypatch.setattr(module, "EXPANSION_FREE_BYTES", 1 << 20)
    sizes: list[int] = []
    expanded = parquet._expanded

    def measured(column: pa.Array) -> int:
        sizes.append(expanded(column))
        return sizes[-1]

    monkeypatch.setattr(parquet, "_expanded", measured)
    with pytest.raises(RefusedFileError, match="expands to more than 200 times"):
        parquet.count_rows(io.BytesIO(content), len(content))
    batches = [sizes[start : start + column_count] for start in range(0, len(sizes), column_count)]
    assert max(map(sum, batches)) <= 1.1 * (1 << 20)


def test_nested_values_are_exact(ingest: Ingest) -> None:
    long, moment = Decimal("12345678901234567890.123"), TIME.replace(tzinfo=UTC)
    named = events(
        2,
        prices=[[long, None], []],
        ratios=[[1.5, float("nan")], [float("inf")]],
        device=[{"a": [{"b": float("nan"), "at": moment}], "A": b"\xff"}, None],
        shares=pa.array([0.5, float("nan")]).dictionary_encode(),
    )
    taken = ingest.take(written(named), "a.parquet")
    assert [json.loads(row["properties"]) for row in taken.events] == [
        {
            "prices": [str(long), None],
            "ratios": [1.5, "nan"],
            "device": {"a": [{"b": "nan", "at": "2024-03-01 12:00:00.123456Z"}], "A": "FF"},
            "shares": 0.5,
        },
        {"prices": [], "ratios": ["inf"], "shares": "nan"},
    ]


def test_maps_may_contain_numbers_that_are_not_json(ingest: Ingest) -> None:
    nan, at = float("nan"), TIME.replace(tzinfo=UTC)
    rates = [[('"é"', 0.1)], [('"é"', nan), ("none", None), ("low", -float("inf"))], [], None, [("a", 1), ("a", nan)]]
    structs = [[(1, {"at": at, "rates": [("a", 0.5)]})], [(1, {"at": at, "rates": [("a", nan)]})], None, None, None]
    lists = [[("a", [1])], [("a", [nan, 1e300])], None, None, None]
    of_rates = pa.map_(pa.string(), pa.float64())
    of_structs = pa.map_(pa.int32(), pa.struct({"at": pa.timestamp("us", "UTC"), "rates": of_rates}))
    named = events(
        5,
        rates=pa.array(rates, of_rates),
        structs=pa.array(structs, of_structs),
        lists=pa.array(lists, pa.map_(pa.string(), pa.list_(pa.float64()))),
    )
    assert ingest.take(written(named), "a.parquet").column("properties") == [
        '{"rates":{"\\"é\\"":0.1},'
        '"structs":{"1":{"at":"2024-03-01 12:00:00.123456+00","rates":{"a":0.5}}},"lists":{"a":[1.0]}}',
        '{"rates":{"\\"é\\"":"nan","low":"-inf"},'
        '"structs":{"1":{"at":"2024-03-01 12:00:00.123456Z","rates":{"a":"nan"}}},"lists":{"a":["nan",1e300]}}',
        '{"rates":{}}',
        None,
        '{"rates":{"a":1.0,"a":"nan"}}',
    ]


@pytest.mark.parametrize(
    ("type", "wrap"),
    [
        (lambda inner: pa.map_(pa.string(), inner), lambda value: [("a", value)]),
        (lambda inner: pa.list_(inner), lambda value: [value]),
        (lambda inner: pa.struct({"a": inner}), lambda v: {"a": v}),
    ],
    ids=["maps", "lists", "structs"],
)
def test_deeply_nested_values_are_read_fast(
    ingest: Ingest, type: Callable[[pa.DataType], pa.DataType], wrap: Callable[[object], object]
) -> None:
    deep_type, value = pa.float64(), 1.5
    for _ in range(40):
        deep_type, value = type(deep_type), wrap(value)
    [event] = ingest.take(written(events(1, deep=pa.array([value], deep_type))), "a.parquet").events
    is_map = isinstance(deep_type, pa.MapType)
    assert json.loads(event["properties"]) == {
        "deep": reduce(lambda v, _: {"a": v}, range(40), 1.5) if is_map else value
    }


def test_file_with_too_many_columns_is_refused(ingest: Ingest) -> None:
    content = written(events(1, **{f"field {number}": [number] for number in range(5000)}))
    with pytest.raises(RefusedFileError, match="5,003 columns, more than 5,000"):
        ingest.take(content, "a.parquet")


def test_intervals_are_texts(ingest: Ingest) -> None:
    path = ingest.root / "intervals.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select 'v' as visitor_id, timestamp '2024-03-01 12:00:00' as event_time, 'a' as event_name,"
            " interval 1 day as cart_age, {'a': [interval 2 hours], 'id': 'x'::blob} as ages)"
            f" to '{path}' (format parquet)"
        )
    taken = ingest.take(path.read_bytes(), "a.parquet")
    assert taken.column("properties") == ['{"cart_age":"1 day","ages":{"a":["02:00:00"],"id":"x"}}']
