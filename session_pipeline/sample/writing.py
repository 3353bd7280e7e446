"""Writes text files atomically, plain or compressed with gzip."""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO, cast


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Yield a text file that appears under its name only after everything is written.

    If the name ends in `.gz`, the file is compressed. The gzip header contains neither a time nor a name, so equal
    texts give equal bytes with the same version of zlib.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with (
            part.open("wb") as file,
            _packed(file, path) as target,
            TextIOWrapper(target, encoding="utf-8", newline="\n") as text,
        ):
            yield text
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _packed(file: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    if path.suffix == ".gz":
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            yield cast(BinaryIO, packed)
    else:
        yield file
