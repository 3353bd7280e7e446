"""Simulates the catalog of a cluster: years of days, all tables, many part files; measures plan, status and publishing.

`python -m session_pipeline_tests.benchmarks.large_catalog --years 5 --parts 24` prints a row of a table. The catalog is
filled by the planner itself, so everything is fresh. The files of a table are hard links to one file without rows,
because only their number counts. Publishing is measured for one changed day.
"""

import argparse
import resource
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from time import perf_counter, process_time

import pyarrow.parquet as pq

from session_pipeline.cli.status import _status
from session_pipeline.data_folder import DataFolder
from session_pipeline.run.pipeline import make_planner, open_run, open_store
from session_pipeline.settings import load_settings
from session_pipeline.store.paths import file_name
from session_pipeline.store.records import Key, Partition, SourceFile, StoredFile, part_list_of
from session_pipeline.store.store import Store
from session_pipeline.tables import table
from session_pipeline.tables.steps import STEPS

ROWS, BYTES = 1_000_000, 64 << 20  # of a part, as recorded
FIRST = date(2020, 1, 1)
ALL_QUARTERS = f"{(1 << 96) - 1:x}"


def main() -> None:
    """Fill a store, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=float, default=5)
    parser.add_argument("--parts", type=int, default=24)
    parser.add_argument("--publish", action="store_true", help="make the files, too, and publish")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="large-catalog-") as name:
        folder = DataFolder(Path(name))
        days = [FIRST + timedelta(days=number) for number in range(round(asked.years * 365.25))]
        fill(folder, days, asked.parts, with_files=asked.publish)
        measure(folder, days, publishes=asked.publish)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Print the seconds and CPU seconds of a block."""
    seconds, cpu = perf_counter(), process_time()
    yield
    print(f"| {name} | {perf_counter() - seconds:.1f} | {process_time() - cpu:.1f} |", flush=True)


def fill(folder: DataFolder, days: list[date], parts: int, *, with_files: bool) -> None:
    """Write a catalog in which every table of every day is fresh."""
    folder.raw.mkdir(parents=True)
    folder.settings.write_text(f"start_date = {FIRST}\nmax_rebuild_days = 30\n")
    settings = load_settings(folder.path)
    templates: dict[str, Path] = {}
    with closing(open_store(folder)) as store, store.writing(), store.catalog.transaction() as generation:

        def add(partition: Partition) -> None:
            partition = partition._replace(generation=generation, changed_generation=generation)
            store.catalog.put([partition])
            store.partitions[partition.key] = partition
            if with_files:
                make_files(store, partition, templates)

        for day in days:
            for number in range(parts):
                file_id = sha256(f"{day} {number}".encode()).hexdigest()[:32]
                add(of_files(Key("raw_events", day, file_id), 1, counts={"quarters": ALL_QUARTERS}))
                store.catalog.put_source_file(SourceFile(file_id, "", facts(file_id, day, number)))
        planner = make_planner(settings, store, days[-1])
        for step in STEPS:
            for day in planner.frame.wanted if step.is_daily else (None,):
                fingerprint = planner.fingerprints.of(step, day)
                assert fingerprint is not None
                for name in step.tables:
                    count = parts if day else 1
                    built = of_files(Key(name, day), count, fingerprint.value, dict(fingerprint.parts))
                    add(built)
            store.catalog.put_recipe(planner.fingerprints.recipe(step))
        print(f"{len(store.partitions):,} partitions, {sum(len(p.files) for p in store.partitions.values()):,} files")


def of_files(
    key: Key,
    count: int,
    fingerprint: str = "",
    parts: dict[str, str] | None = None,
    counts: dict[str, str] | None = None,
) -> Partition:
    """Return a partition of so many files."""
    hashes = [sha256(f"{key} {key.file_id} {number}".encode()).hexdigest() for number in range(count)]
    files = [StoredFile(file_name(table(key.table), key.date, each), each, ROWS, BYTES) for each in hashes]
    content = hashes[0] if count == 1 else sha256("".join(hashes).encode()).hexdigest()
    return Partition(
        key,
        files[0].path,
        content,
        ROWS * count,
        BYTES * count,
        fingerprint,
        parts or {},
        counts or {},
        "new day",
        part_list=part_list_of(files),
    )


def facts(file_id: str, day: date, number: int) -> dict[str, object]:
    """Return the ledger's facts about a delivered file."""
    return {
        "file_id": file_id, "source": "web", "site": "main", "status": "accepted", "reason": None,
        "mapping": {"visitor_id": "visitor_id"}, "byte_count": BYTES, "line_count": ROWS, "accepted_count": ROWS,
        "set_aside_count": 0, "blank_line_count": 0, "first_event_time": f"{day} 00:00:00.000000",
        "last_event_time": f"{day} 23:59:00.000000", "format": "jsonl", "formats": ["jsonl"],
        "path": f"web/{day}-{number}.jsonl",
    }  # fmt: skip


def make_files(store: Store, partition: Partition, templates: dict[str, Path]) -> None:
    """Make the files of a partition: links to a file without rows."""
    name = partition.key.table
    if name not in templates:
        templates[name] = store.folder / f"{name}.template"
        pq.write_table(table(name).schema.empty_table(), templates[name])
    for file in partition.files:
        path = store.files.location(file.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(templates[name])


def measure(folder: DataFolder, days: list[date], *, publishes: bool) -> None:
    """Measure what each run does with the catalog."""
    settings = load_settings(folder.path)
    print("| what | seconds | CPU s |\n|---|---|---|")
    with timed("open the catalog"), closing(open_store(folder)) as store:
        pass
    with closing(open_store(folder)) as store, timed("plan, everything fresh"):
        plan = make_planner(settings, store, days[-1]).plan()
    assert plan.is_empty, plan.items[:3]
    if publishes:
        with open_run(folder, run_id="simulation", until=days[-1]) as run:
            run.store._verified.update(file.path for each in run.store.partitions.values() for file in each.files)
            with timed("first publication"):
                run.publish()
            changed = run.store.partitions[Key("events", days[-2])]
            with run.store.catalog.transaction() as generation:
                newer = changed._replace(generation=generation)
                run.store.catalog.put([newer])
            run.store.partitions[newer.key] = newer
            run.store.change_count += 1
            with timed("publication of one changed day"):
                run.publish()
    else:
        with timed("status"):
            _status(folder)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    print(f"catalog {(folder.store / 'catalog.sqlite').stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
