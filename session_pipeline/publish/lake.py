"""The lake: hive folders for everything that reads Parquet, one file a partition under a fixed name.

Each file is a hard link to the store, or a copy where links cannot be; it is replaced by rename, so it is always whole.
Knows folders and links. Does not know what is in the files.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from session_pipeline import crash_points
from session_pipeline.catalog import Partition
from session_pipeline.contracts import table
from session_pipeline.store import Store, folder_name, sync_folder

FILE_NAME = "data.parquet"


@dataclass(frozen=True)
class LakeChange:
    """What publishing did to the lake."""

    linked_count: int
    removed_count: int


def publish(store: Store, lake: Path, partitions: Iterable[Partition], since_generation: int) -> LakeChange:
    """Make the lake show these partitions: what changed since a generation is replaced, what is gone is removed."""
    wanted = {place_of(partition): partition for partition in partitions}
    present = set(_files(lake))
    linked = 0
    folders = set()
    for place, partition in wanted.items():
        if partition.generation > since_generation or place not in present:
            _link(store.path_of(partition), lake / place)
            folders.add((lake / place).parent)
            linked += 1
    gone = present - wanted.keys()
    for place in gone:
        (lake / place).unlink(missing_ok=True)
        crash_points.reached("lake: file removed")
        _remove_empty_folder((lake / place).parent, lake)
    # All renames first: the first sync then takes the others along.
    for folder in sorted(folders | {folder.parent for folder in folders}):
        if folder.is_dir():
            sync_folder(folder)
    return LakeChange(linked, len(gone))


def place_of(partition: Partition) -> Path:
    """Where a partition lies below the lake. A table that comes a delivered file at a time has a file for each."""
    key = partition.key
    if key.file_id:
        return Path(key.table) / f"{key.file_id}.parquet"
    if key.date is None:
        return Path(key.table) / FILE_NAME
    return Path(key.table) / folder_name(table(key.table), key.date) / FILE_NAME


def _files(lake: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(lake):
        for name in names:
            yield (Path(folder) / name).relative_to(lake)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    crash_points.reached("lake: file linked")
    os.replace(temporary, target)
    crash_points.reached("lake: file renamed")
    # A rename between two links to one file does nothing, by POSIX.
    temporary.unlink(missing_ok=True)


def _remove_empty_folder(folder: Path, lake: Path) -> None:
    while folder != lake and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
