"""Lists what is under raw/: the delivered files, and everything else that is there and will be refused.

Handles names, links and permissions. It opens no files; admit.py does.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from session_pipeline.data_folder import DataFolder
from session_pipeline.ingest.admission.file_names import is_called_like_a_file

MARKER = re.compile(r"_SUCCESS|_(started|committed)_\d+|_(common_)?metadata")
DELTA_LOG = "_delta_log"  # the folder in that of a Delta table which says what its files are


@dataclass(frozen=True)
class Delivery:
    r"""A file under raw/, or something else there that will be refused.

    Attributes:
        location: Its path, as text.
        name: Its path relative to raw/. Bytes that are not UTF-8 are escaped, as \xff.
        source: The folder under raw/ that contains it; empty for files directly in raw/.
        stamp: A text that changes whenever the file changes.
        byte_count: Its size.
        changed_at: Time of its last change (ctime), in seconds since 1970, by the clock of the file system.
    """

    location: str
    name: str
    source: str
    stamp: str
    byte_count: int
    changed_at: float

    @property
    def path(self) -> Path:
        """Its path. Made when it is needed, because a history has very many files, and most were read before."""
        return Path(self.location)


def deliveries(folder: DataFolder) -> Iterator[Delivery]:
    """Yield everything under raw/, sorted by name within each folder. Hidden files and markers are skipped.

    Names that begin with a dot are hidden. Spark and Databricks write markers next to their files.
    Links are not followed. Folders that are named like files, logs of Delta tables, and folders that cannot be read are
    not entered. All of these are yielded as deliveries, which are then refused.
    """
    if not folder.raw.is_dir():
        return
    raw = str(folder.raw)
    for parent, folders, names in os.walk(raw, onerror=_unless_gone):
        is_top = parent == raw
        shown = [name for name in folders if not is_hidden(name)]
        entered = [name for name in shown if is_top or not (name == DELTA_LOG or is_called_like_a_file(name))]
        entered = sorted(name for name in entered if _can_be_entered(os.path.join(parent, name)))
        others = [*(name for name in names if not (is_hidden(name) or is_marker(name))), *(set(shown) - set(entered))]
        for name in sorted(others):
            if (delivery := _delivery(raw, os.path.join(parent, name))) is not None:
                yield delivery
        folders[:] = entered


def _delivery(raw: str, path: str) -> Delivery | None:
    """Return what is at a path. With texts instead of paths, because a history has very many files."""
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return None  # it was just renamed or removed
    name = path.removeprefix(os.path.join(raw, ""))
    if not name.isascii():
        name = os.fsencode(name).decode(errors="backslashreplace")
    is_folder = stat.S_ISDIR(state.st_mode)
    source = name.partition("/")[0] if "/" in name or is_folder else ""
    stamp = f"{state.st_size}-{state.st_mtime_ns}-{state.st_ctime_ns}-{state.st_ino}"
    if is_folder:
        stamp = f"folder-{state.st_ino}"  # new files in the folder do not change it
    return Delivery(path, name, source, stamp, state.st_size, state.st_ctime)


def has_file(folder: Path) -> bool:
    """Whether a folder below raw/ contains a file that is not skipped. The search stops at the first."""
    for _, folders, names in os.walk(folder):
        if any(not (is_hidden(name) or is_marker(name)) for name in names):
            return True
        folders[:] = [name for name in folders if not is_hidden(name)]
    return False


def is_hidden(name: str) -> bool:
    """Whether the name of a file or a folder begins with a dot."""
    return name.startswith(".")


def is_marker(name: str) -> bool:
    """Whether the name of a file is that of a marker. Folders with such a name are entered: they can have events."""
    return name.startswith("_") and MARKER.fullmatch(name) is not None


def _can_be_entered(path: str) -> bool:
    return not os.path.islink(path) and os.access(path, os.R_OK | os.X_OK, effective_ids=True)


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def source_folders(folder: DataFolder) -> set[str]:
    """Return the names of the folders under raw/, which are the names of sources in settings.toml."""
    with os.scandir(folder.raw) as entries:
        return {
            os.fsencode(entry.name).decode(errors="backslashreplace")
            for entry in entries
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
        }
