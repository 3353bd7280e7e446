"""What a file's name says: its format and compression.

Whether the content agrees is checked in formats/.
"""

import os

from session_pipeline.errors import RefusedFileError, StoreError
from session_pipeline.ingest.formats import FORMATS, Parquet, format_of_file_name
from session_pipeline.ingest.formats.compression import (
    COMPRESSIONS,
    Compression,
    compression_of_name,
)
from session_pipeline.ingest.formats.parquet import without_inner_ending


class UnknownEndingError(RefusedFileError):
    """Neither the settings nor the name of a file give its format."""


def is_called_like_a_file(name: str) -> bool:
    """Whether a name is a valid name of a delivered file, so that a folder should not have it."""
    if "." not in name:
        return False  # files and folders can both be named access_log
    try:
        format, _ = kind_of(name, None)
    except RefusedFileError:
        return False
    return format != Parquet.name or without_inner_ending(name.lower()) == name.lower()


def kind_of(path: str, format: str | None) -> tuple[str, Compression | None]:
    """Return the format and the compression of a delivered file.

    Args:
        path: The path of the file. Only its name is used.
        format: The format from the settings of its source; None: the format given by the name.

    Raises:
        UnknownEndingError: Neither the settings nor the name give a known format.
        RefusedFileError: The name is not UTF-8.
        StoreError: The name is UTF-8, but this process cannot read such names.
    """
    try:
        name = os.path.basename(path).lower()
        path.encode()
    except UnicodeEncodeError as error:
        _check_encoding_of_process(path)
        raise RefusedFileError("its name is not UTF-8; rename it") from error
    compression = compression_of_name(name)
    name = name.removesuffix(compression.ending) if compression else name
    if format is None and (found := format_of_file_name(name)):
        format = found.name
    if format is None:
        endings = ", ".join(ending for each in FORMATS for ending in each.endings)
        compressed = " or ".join(each.ending for each in COMPRESSIONS)
        raise UnknownEndingError(
            f"its name ends in none of {endings}, .log, .log.1 or the like, each plain or with"
            f" {compressed}; rename it, or set format for its source in settings.toml"
        )
    return format, compression


def _check_encoding_of_process(path: str) -> None:
    """Check that a name that this process could not decode is not UTF-8.

    Otherwise the process uses another encoding. To refuse the file would remove its rows, if it was accepted before.

    Raises:
        StoreError: The name is UTF-8.
    """
    try:
        name = os.fsencode(path).decode()
    except UnicodeDecodeError:
        return
    raise StoreError(
        f"{name} cannot be read, because this process does not use UTF-8 for the names of files; set LC_ALL=C.UTF-8, or"
        " remove PYTHONUTF8=0, and run again"
    )
