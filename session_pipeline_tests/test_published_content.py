"""Tests that verify compares the content of the lake and of the warehouse, and that the next run writes them again."""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from session_pipeline.data_folder import DataFolder
from session_pipeline.publish import comparison, published_state
from session_pipeline.run.opened import open_store
from session_pipeline.run.pipeline import open_run
from session_pipeline.store.records import Key
from session_pipeline_tests.deployment import Deployment, flipped
from session_pipeline_tests.shop_commands import EVENTS, call, deliver, run

pytestmark = pytest.mark.long  # each takes seconds

SESSIONS = Path("lake") / "sessions" / "session_date=2024-03-05" / "data.parquet"


def replace(path: Path, content: bytes) -> None:
    """Write a file in place of another, which can be a link to the store."""
    path.unlink()
    path.write_bytes(content)


def problems_of(data: Path) -> list[str]:
    code, out, _ = call("verify", "--json", "--data", data)
    found: list[str] = json.loads(out)["problems"]
    assert code == (1 if found else 0)
    return found


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(flipped, id="bit"),
        pytest.param(lambda data: data[:-1], id="cut", marks=pytest.mark.nightly),
        pytest.param(lambda data: b"", id="empty", marks=pytest.mark.nightly),
    ],
)
def test_damaged_copy_in_the_lake_is_found_and_written_again(own_shop: Path, harm: Callable[[bytes], bytes]) -> None:
    path = own_shop / SESSIONS
    before = path.read_bytes()
    assert problems_of(own_shop) == []
    replace(path, harm(before))
    assert problems_of(own_shop) == [f"1 file of the lake is not as published: {path}; `run` writes the lake again"]
    Deployment.at(own_shop).run()
    assert path.read_bytes() == before
    assert problems_of(own_shop) == []


def test_missing_file_of_the_store_is_found_and_built_again(own_shop: Path) -> None:
    [stored] = (own_shop / "store" / "sessions" / "session_date=2024-03-05").iterdir()
    stored.unlink()
    assert problems_of(own_shop) == [f"sessions[2024-03-05]: {stored} is missing; `run` rebuilds it"]
    assert run(own_shop).returncode == 0
    assert stored.is_file()
    assert problems_of(own_shop) == []


def test_file_of_another_day_in_the_lake_is_found(own_shop: Path) -> None:
    other = next(path for path in (own_shop / "lake" / "sessions").rglob("*.parquet") if path != own_shop / SESSIONS)
    replace(own_shop / SESSIONS, other.read_bytes())
    [problem] = problems_of(own_shop)
    assert "1 file of the lake is not as published" in problem


def test_damaged_block_of_the_warehouse_is_found_and_written_again(own_shop: Path) -> None:
    warehouse = own_shop / "warehouse.duckdb"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.execute("select distinct block_id from pragma_storage_info('events') where block_id >= 0")
        blocks = [row[0] for row in found.fetchall()]
        events = connection.execute("select * from events order by all").fetchall()
    published = warehouse.stat()
    content = bytearray(warehouse.read_bytes())
    content[3 * 4096 + blocks[0] * 262_144 + 5_000] ^= 1
    warehouse.write_bytes(content)
    os.utime(warehouse, ns=(published.st_atime_ns, published.st_mtime_ns))
    [problem] = problems_of(own_shop)
    assert problem.startswith(f"{warehouse}: ")
    assert "cannot be read" in problem
    Deployment.at(own_shop).run()
    assert problems_of(own_shop) == []
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        assert connection.execute("select * from events order by all").fetchall() == events


@pytest.mark.parametrize("is_ingested", [pytest.param(False, marks=pytest.mark.nightly), True])
def test_warehouse_that_is_not_the_published_file_is_a_problem(own_shop: Path, is_ingested: bool) -> None:
    """Also if the store has changed since, so that nothing is compared."""
    warehouse = own_shop / "warehouse.duckdb"
    if is_ingested:
        deliver(own_shop, "new.jsonl", {**EVENTS[0], "visitor_id": "new"})
        with open_run(DataFolder(own_shop), run_id="test") as started:
            started.ingest()
    warehouse.write_bytes(flipped(warehouse.read_bytes()))
    said = "is not the file that was published: its size or modification time differs; `run` writes it again"
    for _ in range(2):  # verify itself changes nothing about it
        assert problems_of(own_shop) == [f"{warehouse} {said}"]
    Deployment.at(own_shop).run()
    assert problems_of(own_shop) == []


def test_publication_of_an_earlier_day_or_other_settings_is_compared(own_shop: Path) -> None:
    Deployment.at(own_shop).run(date(2024, 3, 6))
    text = (own_shop / "settings.toml").read_text()
    (own_shop / "settings.toml").write_text(text.replace("inactivity_minutes = 30", "inactivity_minutes = 20"))
    assert problems_of(own_shop) == []
    replace(own_shop / SESSIONS, b"")
    for _ in range(2):
        [problem] = problems_of(own_shop)
        assert "1 file of the lake is not as published" in problem


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("delete from sessions where session_date = date '2024-03-05'", "sessions has "),
        ("update _internal.published set sha256 = '' where table_name = 'events'", "events: it shows other files than"),
    ],
)
def test_changed_warehouse_with_the_published_time_is_found(own_shop: Path, change: str, said: str) -> None:
    folder = DataFolder(own_shop)
    with duckdb.connect(str(folder.warehouse)) as connection:
        connection.execute(change)
    with closing(open_store(folder)) as store:
        partitions = published_state.published_partitions(store)
        assert said in str(comparison.warehouse_difference(store, folder.warehouse, partitions))


def test_file_of_an_older_version_is_compared_by_its_rows(own_shop: Path) -> None:
    """The lake has such a file with the columns of today, so its bytes differ from those of the store."""
    folder = DataFolder(own_shop)
    with closing(open_store(folder)) as store:
        partition = store.partitions[Key("sessions", date(2024, 3, 5))]
        shown, stored = own_shop / SESSIONS, store.path_of(partition)
        rows = parquet.read_table(stored)
        stored.unlink()
        parquet.write_table(rows.drop_columns(["event_count"]), stored)

        def difference(written: pa.Table) -> str | None:
            shown.unlink()
            parquet.write_table(written, shown)
            found = comparison.lake_differences(store, folder.lake, [partition], lambda number, of: None)
            return found.get(shown)

        nulls = pa.nulls(len(rows), rows.schema.field("event_count").type)
        place = rows.schema.names.index("event_count")
        today = rows.set_column(place, rows.schema.field(place), nulls)
        assert difference(today) is None
        assert difference(rows) == "different"
        assert difference(today.slice(1)) == "different"
        assert difference(pa.concat_tables([today, today.slice(0, 1)])) == "different"
        assert difference(today.drop_columns(["event_count"])) == "different"


def test_links_of_the_lake_are_not_read_again(own_shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DataFolder(own_shop)
    shutil.rmtree(folder.lake)
    Deployment.at(own_shop).run()
    monkeypatch.setattr(comparison, "sha256_of", None)
    assert problems_of(own_shop) == []
