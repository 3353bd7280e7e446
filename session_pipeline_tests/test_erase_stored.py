"""Tests which partitions an erasure writes again, drops or marks, on stores without a run.

test_erased_rows.py and test_erasure.py have erasures of whole deployments.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.ingest.erasing.erase_stored import erase_stored
from session_pipeline.ingest.erasing.erasures import Erasures, Unfinished
from session_pipeline.ingest.mapping.visitors import VisitorKey
from session_pipeline.reference.quarters import mask_of, quarters_in
from session_pipeline.store.catalog_file import WAREHOUSE_BYTES
from session_pipeline.store.records import Key, SourceFile, Written
from session_pipeline.store.store import Store
from session_pipeline.tables import table
from session_pipeline_tests.deployment import damage

MONDAY, TUESDAY = date(2026, 10, 5), date(2026, 10, 6)
FIRST, SECOND = "a" * 32, "b" * 32
ALL_DAY = "f" * 24  # all quarter hours of a day have events, as a mask in hexadecimal digits
ANN = Erasures(key=VisitorKey(b"k" * 32), unfinished=Unfinished(("ann",))).with_visitor("main", "ann")


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    with closing(Store(folder / "store", "1.0")) as store, store.writing():
        yield store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def raw(file_id: str, day: date) -> Key:
    return Key("raw_events", day, file_id)


def quarantined(file_id: str) -> Key:
    return Key("quarantined_lines", None, file_id)


def take(
    store: Store,
    file_id: str,
    visitors: dict[date, Sequence[str]],
    lines: Sequence[str] = (),
    site: str = "main",
    *,
    in_parts: bool = False,
) -> None:
    """Commit a delivered file: its events by day, each at a later hour, and its quarantined lines.

    Args:
        store: The store, open for writing.
        file_id: The delivered file.
        visitors: The visitor of each event, by day.
        lines: The quarantined lines.
        site: The site of the file.
        in_parts: Whether each row is in a file of its own.
    """
    rows: dict[Key, list[dict[str, Any]]] = {
        raw(file_id, day): [
            {"visitor_id": each, "line_number": number, "event_time": datetime.combine(day, time(12 + number, 45))}
            for number, each in enumerate(names, start=1)
        ]
        for day, names in visitors.items()
    }
    if lines:
        rows[quarantined(file_id)] = [{"line": line, "reason": "no JSON"} for line in lines]
    written = []
    for key, given in rows.items():
        path = store.scratch / f"{key.table}.{key.date}"
        given = [{**row, "site": site, "file_id": file_id} for row in given]
        of_file = pa.Table.from_pylist(given, schema=table(key.table).schema)
        if in_parts:
            path.mkdir()
            for number in range(len(given)):
                pq.write_table(of_file.slice(number, 1), path / f"{number:05}.parquet")
        else:
            pq.write_table(of_file, path)
        counts = {"quarters": ALL_DAY} if key.date else {"no JSON": len(given)}
        written.append(Written(key, path, len(given), fingerprint="f", counts=counts))
    facts: Any = {
        "file_id": file_id,
        "source": "web",
        "site": site,
        "status": "accepted",
        "accepted_count": sum(map(len, visitors.values())),
        "set_aside_count": len(lines),
        "erased_count": 0,
    }
    store.commit(written, run_id="test", source_files=[SourceFile(file_id, "f", facts)])


def erase(store: Store) -> tuple[set[str], set[Key]]:
    """Erase; return the files to be read again, and the partitions that were written again, dropped or marked."""
    before = dict(store.partitions)
    damaged = erase_stored(store, ANN, "test", store.mark_damaged)
    changed = {key for key, each in before.items() if store.partitions.get(key) != each}
    return damaged, changed


def values(store: Store, key: Key, column: str) -> list[str]:
    return [each for path in store.paths_of(store.partitions[key]) for each in pq.read_table(path)[column].to_pylist()]


def counts(store: Store, file_id: str) -> tuple[int, int, int]:
    facts = store.catalog.source_files()[file_id].facts
    return facts["accepted_count"], facts["set_aside_count"], facts["erased_count"]


def test_only_partitions_with_erased_rows_are_written_again(store: Store) -> None:
    take(store, FIRST, {MONDAY: ["ann", "bob"], TUESDAY: ["bob"]}, ["bob"])
    take(store, SECOND, {MONDAY: ["bob"]}, ["ann", "bob"])
    damaged, changed = erase(store)
    assert (damaged, changed) == (set(), {raw(FIRST, MONDAY), quarantined(SECOND)})
    assert values(store, raw(FIRST, MONDAY), "visitor_id") == ["bob"]
    assert values(store, quarantined(SECOND), "line") == ["bob"]
    assert (counts(store, FIRST), counts(store, SECOND)) == ((2, 1, 1), (1, 1, 1))
    assert store.partitions[raw(FIRST, MONDAY)].row_count == 1
    assert store.partitions[raw(FIRST, MONDAY)].causes == ("a visitor was erased",)
    assert store.partitions[quarantined(SECOND)].counts == {"no JSON": 1}
    assert erase(store) == (set(), set())


def test_partition_of_which_all_rows_are_erased_is_dropped(store: Store) -> None:
    take(store, FIRST, {MONDAY: ["ann", "ann"], TUESDAY: ["bob"]}, ["ann", "ann"])
    take(store, SECOND, {MONDAY: ["ann"]})
    assert erase(store) == (set(), {raw(FIRST, MONDAY), quarantined(FIRST), raw(SECOND, MONDAY)})
    assert {key for key in store.partitions if key.file_id} == {raw(FIRST, TUESDAY)}
    assert (counts(store, FIRST), counts(store, SECOND)) == ((1, 0, 4), (0, 0, 1))
    assert store.catalog.source_files()[SECOND].facts["first_event_time"] is None


def test_partition_of_several_files_keeps_those_that_have_other_rows(store: Store) -> None:
    visitors = {MONDAY: ["ann", "bob", "ann", "cid"], TUESDAY: ["ann", "ann"]}
    take(store, FIRST, visitors, ["ann", "bob", "cid"], in_parts=True)
    assert erase(store) == (set(), {raw(FIRST, MONDAY), raw(FIRST, TUESDAY), quarantined(FIRST)})
    assert values(store, raw(FIRST, MONDAY), "visitor_id") == ["bob", "cid"]
    assert values(store, quarantined(FIRST), "line") == ["bob", "cid"]
    assert [partition.row_count for partition in store.partitions.values()] == [2, 2]
    assert counts(store, FIRST) == (2, 2, 5)
    facts = store.catalog.source_files()[FIRST].facts
    assert (facts["first_event_time"], facts["last_event_time"]) == (
        "2026-10-05 14:45:00.000000",
        "2026-10-05 16:45:00.000000",
    )


def test_times_of_a_file_are_those_of_the_rows_that_are_left(store: Store) -> None:
    take(store, FIRST, {MONDAY: ["ann", "bob"], TUESDAY: ["bob", "ann"]})
    erase(store)
    facts = store.catalog.source_files()[FIRST].facts
    assert facts["first_event_time"] == "2026-10-05 14:45:00.000000"
    assert facts["last_event_time"] == "2026-10-06 13:45:00.000000"
    hours = {key.date: quarters_in(mask_of(store.partitions[key].counts)) for key in store.partitions if key.date}
    assert hours == {MONDAY: (14 * 4 + 3,), TUESDAY: (13 * 4 + 3,)}


def test_rows_of_other_sites_stay(store: Store) -> None:
    take(store, FIRST, {MONDAY: ["ann"]}, ["ann"], site="second")
    assert erase(store) == (set(), set())


@pytest.mark.parametrize("is_readable", [True, False])
def test_file_with_a_damaged_partition_is_read_again_as_a_whole(tmp_path: Path, is_readable: bool) -> None:
    with opened(tmp_path) as store:
        take(store, FIRST, {MONDAY: ["ann", "bob"], TUESDAY: ["bob"]})
        take(store, SECOND, {MONDAY: ["ann", "bob"]})
        path = store.path_of(store.partitions[raw(FIRST, TUESDAY)])
    damage(path, path.read_bytes().replace(b"parquet-cpp", b"parquet-cpq") if is_readable else b"damaged")
    with opened(tmp_path) as store:  # by a later run: a run does not hash again what it wrote itself
        assert erase(store) == ({FIRST}, {raw(FIRST, TUESDAY), raw(SECOND, MONDAY)})
        assert {key for key, each in store.partitions.items() if each.is_damaged} == {raw(FIRST, TUESDAY)}


def test_warehouse_is_written_again_even_if_no_row_is_left_to_erase(store: Store) -> None:
    """Rows that were deleted from it before can still have bytes in its file."""
    store.catalog.set_state(WAREHOUSE_BYTES, 1)
    take(store, FIRST, {MONDAY: ["bob"]})
    erase(store)
    assert store.catalog.number(WAREHOUSE_BYTES) == 0
