"""Measures how long publishing one more day takes with a long history of big days.

`python -m session_pipeline_tests.benchmarks.long_history --gigabytes 10` builds five days, repeats them as hard links
under later dates until the files of the store have so many bytes, and publishes one changed day, with five days and
with all. The planner fills the catalog, so everything is fresh.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

from session_pipeline.data_folder import DataFolder
from session_pipeline.run.pipeline import make_planner, open_run, open_store
from session_pipeline.run.run import Run
from session_pipeline.settings import load_settings
from session_pipeline.store.paths import file_name
from session_pipeline.store.records import Key, Partition, StoredFile, part_list_of
from session_pipeline.store.store import Store
from session_pipeline.tables import table
from session_pipeline.tables.steps import STEPS, is_built
from session_pipeline_tests.benchmarks.large_catalog import timed
from session_pipeline_tests.documents import ROOT

COMMAND = Path(sys.executable).with_name("session-pipeline")


def main() -> None:
    """Build, repeat, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--events", type=int, default=1_000_000, help="of the five days that are built")
    parser.add_argument("--folder", type=Path, help="for the data; default a temporary folder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="long-history-", dir=asked.folder) as name:
        built = DataFolder(Path(name) / "built")
        generate = [sys.executable, "-m", "session_pipeline_tests.benchmarks.generate", "medium", str(asked.events)]
        subprocess.run([*generate, built.raw / "web"], cwd=ROOT, check=True)
        subprocess.run([COMMAND, "run", "--data", built.path], check=True, stdout=subprocess.DEVNULL)
        print("| what | seconds | CPU s |\n|---|---|---|")
        with closing(open_store(built)) as template:
            for gigabytes in (0.0, asked.gigabytes):
                folder = DataFolder(Path(name) / f"{gigabytes:g} GB")
                days = fill(folder, template, gigabytes)
                measure(folder, days)


def fill(folder: DataFolder, template: Store, gigabytes: float) -> list[date]:
    """Write a store with the days of another, repeated until it has so many bytes; return its days."""
    found = sorted({key.date for key in template.partitions if key.table == "events" and key.date is not None})
    size = sum(partition.byte_count for partition in template.partitions.values())
    copies = max(1, round(gigabytes * 1e9 / size))
    days = [found[0] + timedelta(days=number) for number in range(copies * len(found))]
    folder.raw.mkdir(parents=True)
    folder.settings.write_text(f"start_date = {days[0]}\n")
    settings = load_settings(folder.path)
    of_table: dict[tuple[str, date | None], list[Partition]] = {}
    for key, partition in template.partitions.items():
        of_table.setdefault((key.table, key.date), []).append(partition)
    with closing(open_store(folder)) as store, store.writing(), store.catalog.transaction() as generation:

        def add(name: str, day: date | None, fingerprint: str = "", parts: dict[str, str] | None = None) -> None:
            like = found[(day - days[0]).days % len(found)] if day else None
            for partition in of_table.get((name, like), ()):
                copy = linked(store, template, partition, day)
                copy = copy._replace(generation=generation, changed_generation=generation)
                if parts is not None:
                    copy = copy._replace(fingerprint=fingerprint, parts=parts)
                store.catalog.put([copy])
                store.partitions[copy.key] = copy

        for day in days:
            add("raw_events", day)
        for source_file in template.catalog.source_files().values():
            store.catalog.put_source_file(source_file)
        planner = make_planner(settings, store, days[-1])
        for step in STEPS:
            if not is_built(step.tables[0], settings):
                continue
            for each in planner.frame.wanted if step.is_daily else (None,):
                fingerprint = planner.fingerprints.of(step, each)
                assert fingerprint is not None, (step.name, each)
                for name in step.tables:
                    add(name, each, fingerprint.value, dict(fingerprint.parts))
            store.catalog.put_recipe(planner.fingerprints.recipe(step))
        total = sum(partition.byte_count for partition in store.partitions.values())
    print(f"| {len(days)} days, {total / 1e9:.1f} GB in {len(store.partitions):,} partitions | | |")
    return days


def linked(store: Store, template: Store, partition: Partition, day: date | None) -> Partition:
    """Return a partition of another day with the same content; its files are hard links."""
    key = Key(partition.key.table, day, partition.key.file_id)
    files = []
    for file in partition.files:
        path = file_name(table(key.table), day, file.sha256)
        place = store.files.location(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.hardlink_to(template.files.location(file.path))
        files.append(StoredFile(path, file.sha256, file.row_count, file.byte_count))
    return partition._replace(key=key, path=files[0].path, part_list=part_list_of(files))


def measure(folder: DataFolder, days: Sequence[date]) -> None:
    """Publish, change the last day, and publish again."""
    with open_run(folder, run_id="simulation", until=days[-1]) as run:
        with timed("first publication"):
            publish(run)
        with run.store.catalog.transaction() as generation:
            for key, partition in list(run.store.partitions.items()):
                if key.date == days[-1]:
                    run.store.partitions[key] = partition._replace(generation=generation)
                    run.store.catalog.put([run.store.partitions[key]])
        run.store.change_count += 1
        with timed("publication of one changed day"):
            publish(run)
    print(f"| warehouse of {folder.warehouse.stat().st_size / 1e9:.2f} GB | | |")
    print(f"| peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB | | |")


def publish(run: Run) -> None:
    """Publish; nothing may be stale."""
    published = run.publish()
    assert not isinstance(published, str), published


if __name__ == "__main__":
    main()
