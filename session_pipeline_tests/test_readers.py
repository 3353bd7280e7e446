"""Tests readers while runs rebuild and publish: every read sees one generation of all tables, and none fails.

Each delivery adds one session to every day, so two tables of different generations cannot agree. A separate test checks
that a mixed state is detected.
"""

import os
import shutil
import traceback
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import Any

import duckdb
import pytest
from pyarrow import dataset

import session_pipeline
from session_pipeline.publish import lake
from session_pipeline.run.pipeline import open_store
from session_pipeline.store.records import Partition
from session_pipeline_tests.crashes.killed_runs import LONGEST_SECONDS, PROCESSES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.reliability.figures import amount, record

DAYS = [date(2024, 3, day) for day in (5, 6, 7)]
LAST = date(2024, 3, 8)
FEWEST = 3  # sessions of each day in the first delivery
EVENTS = 2  # of each session
NATIVE: dict[str, Any] = {"start_date": DAYS[0]}
VIEWS: dict[str, Any] = {**NATIVE, "publish": {"native_limit_gb": 0}}
READS_A_CONNECTION = 20
# Session counts of one table each, in the order in which they are queried: (day, number of sessions).
COUNTS = {
    "daily_summary": "select session_date, session_count from daily_summary",
    "events": f"select event_date, count(*) // {EVENTS} from events group by event_date",
    "sessions": "select session_date, count(*) from sessions group by session_date",
    "session_outcomes": "select session_date, count(*) from session_outcomes group by session_date",
}


class Shop:
    """A deployment whose deliveries each add a session to every day."""

    def __init__(self, folder: Path, settings: dict[str, Any], *, only: Collection[str] | None = None) -> None:
        self.deployment = Deployment(folder, settings, only=only)
        self.delivered = 0
        self.publish(FEWEST)

    def publish(self, visitors: int = 1) -> None:
        lines = [
            {
                "event_id": f"{day} {visitor} {number}",
                "visitor_id": f"visitor {visitor}",
                "event_time": f"{day}T10:{number:02d}:00Z",
                "event_name": "page_view",
                "page_url": f"https://shop.example/{number}",
            }
            for day in DAYS
            for visitor in range(self.delivered, self.delivered + visitors)
            for number in range(EVENTS)
        ]
        self.deployment.deliver(f"from visitor {self.delivered}", lines)
        self.deployment.run(LAST)
        self.delivered += visitors


def seen(warehouse: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Query one table after the other; return the generation and the number of sessions of each day.

    Raises:
        MixedError: Two tables or two days have different numbers of sessions.
    """
    (generation,) = warehouse.execute("select generation from warehouse_info").fetchone() or (0,)
    return int(generation), agreed({name: warehouse.execute(sql).fetchall() for name, sql in COUNTS.items()})


def agreed(counts: dict[str, list[Any]]) -> int:
    """Return the number of sessions that every table has on every day."""
    found = {(name, day): count for name, rows in counts.items() for day, count in rows if count}
    if found.keys() != {(name, day) for name in counts for day in DAYS} or len(set(found.values())) != 1:
        raise MixedError(str(found))
    return int(next(iter(found.values())))


class MixedError(Exception):
    """A reader saw an old and a new state of tables or days together."""


Reader = tuple[Callable[..., "Reads"], tuple[Any, ...]]


@dataclass
class Reads:
    """The reads of one reader in a separate process."""

    count: int = 0
    errors: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    sessions_of: dict[int, int] = field(default_factory=dict)  # by generation: number of sessions of each day
    deadline: float = field(default_factory=lambda: monotonic() + LONGEST_SECONDS / 2)

    def is_enough(self, count: int) -> bool:
        """Return whether that many reads were done, and saw a publication if one ends in time."""
        saw_a_publication = len(self.sessions_of) > 1 or monotonic() > self.deadline
        return self.count >= count and saw_a_publication

    def read(self, look: Callable[[], tuple[int, int]]) -> None:
        self.count += 1
        try:
            generation, sessions = look()
            if self.sessions_of.setdefault(generation, sessions) != sessions:
                raise MixedError(f"generation {generation} with {self.sessions_of[generation]} sessions and {sessions}")
        except MixedError as error:
            self.mixed.append(str(error))
        except Exception:
            self.errors.append(traceback.format_exc())


def _read_warehouse(folder: Path, count: int, is_plain: bool) -> Reads:
    """Query the warehouse, with several reads per connection."""
    reads = Reads()
    path = str(folder / "warehouse.duckdb")
    while not reads.is_enough(count):
        with _connected(path) if is_plain else session_pipeline.connect(folder) as warehouse:
            for _ in range(READS_A_CONNECTION):
                reads.read(partial(seen, warehouse))
    return reads


def _connected(path: str) -> duckdb.DuckDBPyConnection:
    """Open a warehouse without the package, again if it was replaced between the two times that DuckDB opens it."""
    while True:
        before = os.stat(path)
        try:
            connection = duckdb.connect(path, read_only=True)
        except duckdb.Error:
            if os.path.samestat(os.stat(path), before):
                raise
        else:
            if os.path.samestat(os.stat(path), before):
                return connection
            connection.close()


def _read_frames(folder: Path, count: int) -> Reads:
    def counted(name: str) -> Any:
        frame = session_pipeline.read(name, data=folder)
        return [(day.date(), number) for day, number in frame.groupby("session_date").size().items()]

    return _read_one_after_the_other(counted, count)


def _read_files(folder: Path, count: int) -> Reads:
    with duckdb.connect() as connection:

        def counted(name: str) -> Any:
            paths = [str(path) for path in session_pipeline.files(name, DAYS[0], DAYS[-1], data=folder)]
            return connection.execute(
                "select session_date, count(*) from read_parquet($1, hive_partitioning = true) group by all", [paths]
            ).fetchall()

        return _read_one_after_the_other(counted, count)


def _read_one_after_the_other(counted: Callable[[str], Any], count: int) -> Reads:
    """Read one table and then another: each has one generation, and the second is not older than the first."""
    reads = Reads()

    def look() -> tuple[int, int]:
        first, second = (agreed({name: counted(name)}) for name in ("session_outcomes", "sessions"))
        if second < first:
            raise MixedError(f"sessions know {second} a day after session_outcomes knew {first}")
        return second, second  # these reads do not show their generation

    while not reads.is_enough(count):
        reads.read(look)
    return reads


def _read_lake(folder: Path, count: int, is_duckdb: bool) -> Reads:
    """Read two tables of the lake by a plain glob in DuckDB, or as pyarrow datasets."""
    reads = Reads()
    with duckdb.connect() as connection:

        def counted(name: str) -> Any:
            if is_duckdb:
                found = f"read_parquet('{folder}/{name}/*/*.parquet', hive_partitioning = true)"
            else:
                found = "found"
                connection.register(found, dataset.dataset(folder / name, partitioning="hive").to_table())
            distinct = "select session_date, session_id, any_value(site) as site from {} group by all"
            return connection.execute(
                f"select session_date::date, count(site) from ({distinct.format(found)}) group by all"
            ).fetchall()

        while reads.count < count:
            reads.read(lambda: (0, agreed({name: counted(name) for name in ("session_outcomes", "sessions")})))
            reads.sessions_of.clear()  # either state is correct, if it is not mixed
    return reads


def _work(answers: Any, reader: Callable[..., Reads], arguments: tuple[Any, ...]) -> None:
    try:
        answers.put(reader(*arguments))
    except BaseException:
        answers.put(Reads(errors=[traceback.format_exc()]))


def read_while(change: Callable[[], None], readers: list[Reader]) -> tuple[list[Reads], int]:
    """Change the data without pause until readers in separate processes have read enough.

    Returns:
        The reads of each reader, and the number of changes.
    """
    answers = PROCESSES.Queue()
    children = [PROCESSES.Process(target=_work, args=(answers, *reader), daemon=True) for reader in readers]
    for child in children:
        child.start()
    changes = 0
    while answers.qsize() < len(readers) and all(child.exitcode in (None, 0) for child in children):
        change()
        changes += 1
    found = [answers.get(timeout=LONGEST_SECONDS) for _ in readers]
    for child in children:
        child.join(LONGEST_SECONDS)
    return found, changes


def assert_one_generation_each(shop: Shop, readers: list[Reader]) -> None:
    found, publications = read_while(shop.publish, readers)
    errors = [error for reads in found for error in reads.errors]
    mixed = [error for reads in found for error in reads.mixed]
    record(
        publications_during_reads=publications,
        reads_during_writes=sum(reads.count for reads in found),
        read_errors=len(errors),
        mixed_generations=len(mixed),
    )
    assert errors == []
    assert mixed == []
    assert all(len(reads.sessions_of) > 1 for reads in found), "nothing was published while they read"


@pytest.mark.reliability
@pytest.mark.parametrize(
    ("settings", "count"), [(NATIVE, amount(2000, 8000)), (VIEWS, amount(500, 2000))], ids=["native tables", "views"]
)
def test_readers_see_one_generation_during_continuous_runs(
    tmp_path: Path, settings: dict[str, Any], count: int
) -> None:
    shop = Shop(tmp_path, settings)
    connections, frames, files = (count * share // 100 for share in (47, 3, 3))
    assert_one_generation_each(
        shop,
        [
            (_read_warehouse, (tmp_path, connections, False)),
            (_read_warehouse, (tmp_path, connections, True)),
            (_read_frames, (tmp_path, frames)),
            (_read_files, (tmp_path, files)),
        ],
    )


@pytest.mark.long
@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("days", [DAYS, DAYS[1:2]], ids=["all days", "one day"])
def test_self_check_detects_a_table_of_another_generation(
    two_states: tuple[Path, Path], tmp_path: Path, name: str, days: list[date]
) -> None:
    new, old = two_states
    shutil.copyfile(new, tmp_path / "mixed.duckdb")
    with duckdb.connect(str(tmp_path / "mixed.duckdb")) as warehouse:
        seen(warehouse)
        column = "event_date" if name == "events" else "session_date"
        warehouse.execute(f"attach '{old}' as old (read_only)")
        warehouse.execute(f"delete from {name} where {column} in $1", [days])
        warehouse.execute(f"insert into {name} from old.{name} where {column} in $1", [days])
        with pytest.raises(MixedError):
            seen(warehouse)


@pytest.fixture(scope="module")
def two_states(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The tables that are counted, in two states of one deployment: the newest and the previous one."""
    folder = tmp_path_factory.mktemp("states")
    shop = Shop(folder / "data", NATIVE, only=COUNTS)
    old = with_tables(shop, folder / "old.duckdb")
    shop.publish()
    return with_tables(shop, folder / "new.duckdb"), old


def with_tables(shop: Shop, path: Path) -> Path:
    """Write the counted tables and a generation as a warehouse has them. To publish all tables takes longer."""
    with shop.deployment.stored() as connection:
        connection.execute(f"attach '{path}' as written")
        for name in COUNTS:
            connection.execute(f"create table written.{name} as from {name}")
        connection.execute("create table written.warehouse_info as select 1 as generation")
    return path


@pytest.mark.reliability
@pytest.mark.parametrize("settings", [NATIVE, VIEWS], ids=["native tables", "views"])
def test_connection_keeps_its_snapshot_over_three_publications(tmp_path: Path, settings: dict[str, Any]) -> None:
    shop = Shop(tmp_path, settings)
    oldest = files_of(tmp_path)
    shop.publish()
    with session_pipeline.connect(tmp_path) as before:
        first, files = seen(before), files_of(tmp_path)
        for _ in range(3):
            shop.publish()
            assert seen(before) == first
        assert not any(path.exists() for path in oldest), "nothing was swept meanwhile"
        assert all(path.exists() for path in files)
        shop.publish()
        assert not any(path.exists() for path in files)
        if settings is NATIVE:
            assert seen(before) == first
        else:  # as documented: after four newer states, views fail until the reader reconnects
            with pytest.raises(duckdb.IOException, match=r"No such file|No files found"):
                seen(before)
    with session_pipeline.connect(tmp_path) as after:
        generation, sessions = seen(after)
    assert generation > first[0]
    assert sessions == first[1] + 4


@pytest.mark.reliability
def test_lake_globs_during_continuous_replacement_are_measured(tmp_path: Path) -> None:
    shop = Shop(tmp_path, NATIVE)
    states = [partitions_of(shop)]
    shop.publish(500)
    states.append(partitions_of(shop))
    folder, next_states = tmp_path / "replaced", cycle(states)
    with closing(open_store(shop.deployment.folder)) as store:

        def replace() -> None:
            lake.publish(store, folder, next(next_states), since_generation=-1)

        replace()
        found, replacements = read_while(
            replace, [(_read_lake, (folder, amount(200, 500), way)) for way in (True, False)]
        )
        assert replacements > 1
        replace()
    assert _read_lake(folder, 1, True).errors + _read_lake(folder, 1, False).errors == []  # while nothing changes
    record(
        lake_reads=sum(reads.count for reads in found),
        lake_mixed=sum(len(reads.mixed) for reads in found),
        lake_errors=sum(len(reads.errors) for reads in found),
    )


def partitions_of(shop: Shop) -> list[Partition]:
    with closing(open_store(shop.deployment.folder)) as store:
        return [partition for name in ("sessions", "session_outcomes") for partition in store.of_table(name)]


def files_of(folder: Path) -> list[Path]:
    return [path for name in COUNTS for path in session_pipeline.files(name, DAYS[0], DAYS[-1], data=folder)]
