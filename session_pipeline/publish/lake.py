"""Writes the lake: Hive-partitioned folders for tools that read Parquet, under fixed names.

Each file is a hard link to the store, or a copy where hard links are not possible. It is replaced by rename, so it is
always complete. All files of a table have the columns of its contract, because readers of a folder use the columns of
the first file: files of an older version are rewritten with today's columns. publication.py decides when to publish.

The lake can be a link to a folder that has other files, too. Only files named like those of a published table are
removed.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyarrow import parquet

from session_pipeline.engines.connections import private_connection
from session_pipeline.engines.parquet_files import FORMAT
from session_pipeline.engines.sql import literal, rows_of
from session_pipeline.publish.published_state import PUBLISHED_TABLES
from session_pipeline.store import crash_points
from session_pipeline.store.files import (
    WRITER,
    at_once,
    make_folder,
    refusal_explained,
    sync_file,
    sync_folder,
    temporary_name,
)
from session_pipeline.store.paths import folder_name
from session_pipeline.store.records import Partition
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES, Table, table

STEM, SUFFIX = "data", ".parquet"
# What `places_of` returns, and the temporary names of `_place`.
OWN_PLACE = re.compile(
    r"(?P<table>\w+)/"
    r"(?:(?:\w+=\d{4}-\d{2}-\d{2}/)?(?:data(?:-\d{5,})?\.parquet|\.data(?:-\d{5,})?\.parquet\." + WRITER + r")"
    r"|[0-9a-f]{32}(?:-\d{5,})?\.parquet|\.[0-9a-f]{32}(?:-\d{5,})?\.parquet\." + WRITER + r")",
    re.ASCII,
)


@dataclass(frozen=True)
class LakeChange:
    """The number of files that a publication linked and removed in the lake."""

    linked_count: int
    removed_count: int


def publish(
    store: Store, lake: Path, partitions: Iterable[Partition], since_generation: int, *, contracts_changed: bool = False
) -> LakeChange:
    """Make the lake show exactly these partitions: replace what changed since a generation, remove all others.

    Files that are not of a published table stay. The folder of a day is looked into only if something of it can have
    changed since the generation, because a long history has very many. A missing folder is always noticed.

    Args:
        store: The store that has the partitions' files.
        lake: The folder of the lake.
        partitions: The partitions to show.
        since_generation: The generation that the lake shows now; 0 looks into all folders.
        contracts_changed: Whether contracts changed since the last publication; then the columns of every file are
            checked.

    Raises:
        DamagedError: A file that the lake needs is damaged.
        StoreError: Another process can be the writer.
    """
    there, files = _listed(lake, {*TABLES, *store.catalog.text(PUBLISHED_TABLES).split()})
    of_folder: dict[str, list[Partition]] = {}
    for partition in partitions:
        of_folder.setdefault(_folder_of(partition), []).append(partition)
    unchanged = {
        folder
        for folder in there & of_folder.keys()
        if not contracts_changed and all(each.generation <= since_generation for each in of_folder[folder])
    }
    present = {*files, *(place for folder in there - unchanged for place in _own_files(lake, folder))}
    wanted = {
        place: (partition, path)
        for folder in of_folder.keys() - unchanged
        for partition in of_folder[folder]
        for place, path in zip(places_of(partition), partition.file_paths, strict=True)
    }
    fitting: dict[tuple[str, str], bool] = {}  # files of one recipe have the same columns, so one of them is opened
    linked = 0
    folders = set() if lake.is_dir() else {lake.parent}
    for place, (partition, path) in wanted.items():
        contract = table(partition.key.table)
        is_old = partition.generation > since_generation or place not in present
        if is_old or (contracts_changed and not fits(lake / place, contract)):
            store.check_intact((partition,))
            source = store.files.location(path)
            recipe = partition.key.table, partition.parts.get("recipe", partition.path)
            if recipe not in fitting:
                fitting[recipe] = fits(source, contract)
            store.check_lock()
            with refusal_explained(lake / place):
                _place(source, lake / place, contract, is_linked=fitting[recipe], is_new=place not in present)
            folders.add((lake / place).parent)
            linked += 1
    gone = present - wanted.keys()
    for place in gone:
        store.check_lock()
        with refusal_explained(lake / place):
            (lake / place).unlink(missing_ok=True)
        crash_points.reached("lake: file removed")
        folders.add(_remove_empty_folders((lake / place).parent, lake))
    # All renames are done before this: the first fsync then writes the others, too.
    at_once(sync_folder, [folder for folder in sorted(_with_those_above(folders, lake)) if folder.is_dir()])
    return LakeChange(linked, len(gone))


def places_of(partition: Partition) -> list[str]:
    """Return the paths of a partition's files below the lake, in the order of their rows.

    Tables partitioned by delivered file have one partition for each. Several files of a partition are numbered.
    """
    stem, count = f"{_folder_of(partition)}/{partition.key.file_id or STEM}", len(partition.file_paths)
    if count == 1:
        return [f"{stem}{SUFFIX}"]
    return [f"{stem}-{number:05}{SUFFIX}" for number in range(1, count + 1)]


def own_places(places: Iterable[str], tables: Collection[str]) -> Iterator[str]:
    """Yield those paths below the lake that are named like files of these tables."""
    for place in places:
        found = OWN_PLACE.fullmatch(place)
        if found is not None and found["table"] in tables:
            yield place


def fits(path: Path, contract: Table) -> bool:
    """Return whether a file has the contract's columns, with the same order and types."""
    found = parquet.read_schema(path)
    return (found.names, found.types) == (contract.schema.names, contract.schema.types)


def _folder_of(partition: Partition) -> str:
    """Return the path of the folder of a partition's files below the lake."""
    key = partition.key
    if key.date is None or key.file_id:
        return key.table
    return f"{key.table}/{folder_name(table(key.table), key.date)}"


def _listed(lake: Path, tables: Collection[str]) -> tuple[set[str], set[str]]:
    """Return the folders of days in the folders of these tables, and the tables' own files that are in no such folder.

    Paths are below the lake, as texts, because a long history has very many. Links are not followed.
    """
    folders, files = set(), set()
    for name in tables:
        if (lake / name).is_symlink():
            continue
        for entry in _entries(lake / name):
            if not entry.is_dir():
                files.add(f"{name}/{entry.name}")
            elif not entry.is_symlink():
                folders.add(f"{name}/{entry.name}")
    return folders, set(own_places(files, tables))


def _own_files(lake: Path, folder: str) -> Iterator[str]:
    """Yield the paths below the lake of the own files in a folder of a day."""
    places = (f"{folder}/{entry.name}" for entry in _entries(lake / folder) if not entry.is_dir())
    return own_places(places, {folder.partition("/")[0]})


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a folder; nothing if it is missing or cannot be read: writing into it then names it."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError), os.scandir(folder) as entries:
        yield from entries


def _place(source: Path, target: Path, contract: Table, *, is_linked: bool, is_new: bool) -> None:
    make_folder(target.parent)
    if is_linked and is_new:
        # A new name needs no rename: a link appears at once, and shows a complete file.
        with suppress(OSError):
            os.link(source, target)
            crash_points.reached("lake: file linked")
            return
    temporary = temporary_name(target)
    temporary.unlink(missing_ok=True)
    try:
        if is_linked:
            _link(source, temporary)
        else:
            with private_connection() as connection:
                rows = rows_of(contract, [source])
                connection.execute(f"copy ({rows}) to {literal(str(temporary))} {FORMAT}")
            sync_file(temporary)
        crash_points.reached("lake: file linked")
        os.replace(temporary, target)
        crash_points.reached("lake: file renamed")
    finally:
        # After an error, it must not keep a full disk full. And by POSIX, a rename between two hard links to the same
        # file does nothing, and both names remain.
        temporary.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
        crash_points.reached("lake: file copied")
        sync_file(target)
    except OSError as error:
        error.filename = str(target)  # a failed copy names the file that it reads
        raise


def _with_those_above(folders: Iterable[Path], lake: Path) -> set[Path]:
    """Return folders, and those between each of them and the lake, with the lake."""
    found = set(folders)
    for folder in folders:
        above = folder
        while above not in (lake, lake.parent):
            above = above.parent
            if above in found:
                break
            found.add(above)
    return found


def _remove_empty_folders(folder: Path, lake: Path) -> Path:
    """Remove a folder and its parents as long as they are empty; return the first folder that stays."""
    while folder != lake and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
    return folder
