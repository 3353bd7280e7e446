"""Text files that are written whole or not at all.

Knows gzip and renaming. Does not know what the text says.
"""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO, cast


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Yields a text file that appears under its name once all is written.

    A name that ends in `.gz` packs it. The gzip header holds neither a time nor a name, so the same
    text gives the same bytes, as far as zlib is the same.
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
