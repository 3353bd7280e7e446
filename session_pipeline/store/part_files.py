"""Part files: the rows of a partition in several files of bounded size, each sorted, in the order of the rows.

An engine that writes a partition as one file writes it at the path that it is given. An engine that writes several
makes a folder of that name. Its files, in the order of their names, are the parts. The folder may have a file
`_parts.json` with the parts' hashes and numbers of rows, so that they need not be computed again:
`[{"name": ..., "sha256": ..., "row_count": ...}, ...]`.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from session_pipeline.store.records import StoredFile, WrittenFile
from session_pipeline.store.store_files import sha256_of

MANIFEST = "_parts.json"


def files_at(path: Path, row_count: int, sha256: str = "") -> tuple[WrittenFile, ...]:
    """Return the files that an engine wrote at a path: the file, or the parts in a folder.

    Args:
        path: The file or folder.
        row_count: The number of rows of all files.
        sha256: The hash of the file, if it is known.
    """
    if not path.is_dir():
        return (WrittenFile(path, row_count, sha256 or sha256_of(path)),)
    manifest = path / MANIFEST
    if manifest.is_file():
        parts = json.loads(manifest.read_text(encoding="utf-8"))
        files = tuple(WrittenFile(path / part["name"], part["row_count"], part["sha256"]) for part in parts)
    else:
        files = tuple(WrittenFile(part, _row_count(part), sha256_of(part)) for part in paths_at(path))
    assert files, f"{path} has no part file; a partition without rows has one that is empty"
    assert sum(file.row_count for file in files) == row_count, f"the parts in {path} have all rows"
    return files


def write_manifest(folder: Path, parts: Sequence[WrittenFile]) -> None:
    """Write the hashes and numbers of rows of the parts in a folder, in the order of their rows."""
    found = [{"name": part.path.name, "sha256": part.sha256, "row_count": part.row_count} for part in parts]
    (folder / MANIFEST).write_text(json.dumps(found), encoding="utf-8")


def part_name(number: int) -> str:
    """Return the name of a part file, numbered from 0; the names are in the order of the numbers."""
    return f"{number:05}.parquet"


def paths_at(path: Path) -> list[Path]:
    """Return the paths of the files that an engine wrote at a path."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def remove_at(path: Path) -> None:
    """Remove the file or folder that an engine wrote at a path."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def content_hash(files: Sequence[WrittenFile | StoredFile]) -> str:
    """Return the hash that stands for the content of a partition: the hash of its file, or of its parts' hashes."""
    if len(files) == 1:
        return files[0].sha256
    return hashlib.sha256("\n".join(file.sha256 for file in files).encode()).hexdigest()


def _row_count(path: Path) -> int:
    import pyarrow.parquet as pq  # slow to load, and partitions of one file do not need it

    return int(pq.read_metadata(path).num_rows)
