"""Parquet files: whole, damaged, and expanding to very much."""

import gzip
import io
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from session_pipeline_tests.corpus.inputs import EVENT, Input, corrupt, flipped, refused


def parquet(rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None, **how: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), file, **how)
    return file.getvalue()


def inputs() -> Sequence[Input]:
    good = parquet([EVENT] * 20, write_page_checksum=True)
    typed = {
        **EVENT,
        "event_time": datetime(2026, 10, 5, 10, tzinfo=UTC),
        "value": Decimal("19.90"),
        "tags": ["a", "b"],
        "device": {"os": "x"},
    }
    footer = struct.unpack("<I", good[-8:-4])[0]
    name = "x.parquet"
    return [
        Input("Parquet", name, good, accepted=20),
        Input("Parquet with types", name, parquet([typed]), accepted=1),
        Input("Parquet without rows", name, parquet([], pa.schema([("visitor_id", pa.string())]))),
        Input(
            "rows of Parquet without a visitor",
            name,
            parquet([EVENT, {**EVENT, "visitor_id": None}]),
            accepted=1,
            set_aside={2: "missing_visitor_id"},
        ),
        corrupt("Parquet cut in half", name, good[: len(good) // 2], "does not begin and end"),
        corrupt("Parquet without its last byte", name, good[:-1], "does not begin and end"),
        corrupt("Parquet with a flipped bit in a page", name, flipped(good, 40), "Parquet"),
        corrupt("Parquet with a broken footer", name, good[: -8 - footer] + bytes(footer) + good[-8:], "Parquet"),
        corrupt(
            "Parquet whose footer is longer than it", name, good[:-8] + struct.pack("<I", 1 << 30) + b"PAR1", "Parquet"
        ),
        corrupt("nothing but marks", name, b"PAR1PAR1PAR1", "Parquet"),
        refused("Parquet that becomes 400 MB", name, _swelling_parquet, "expands to more than"),
        refused("Parquet in gzip", "x.parquet.gz", gzip.compress(good), "Parquet is compressed within"),
    ]


def _swelling_parquet() -> bytes:
    return parquet([{**EVENT, "x": "y" * 4000}] * 100_000, compression="zstd")
