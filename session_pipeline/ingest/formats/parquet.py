"""Parquet files. parquet_content.py verifies them and gives the SELECT that reads them."""

from collections.abc import Iterator
from typing import IO

from session_pipeline.ingest.formats.format import Content, Format, Lines, Row
from session_pipeline.ingest.formats.layout import Layout
from session_pipeline.ingest.formats.line_counts import ByteCounter, LineCounter

MAGIC = b"PAR1"
ENCRYPTED_MAGIC = b"PARE"  # a file whose footer is encrypted
# Some tools add the compression to the name, although Parquet is compressed within.
INNER_ENDINGS = (".gz", ".zst", ".bz2", ".xz", ".sz", ".snappy", ".br", ".lz4")


def is_parquet(beginning: bytes) -> bool:
    """Whether a content begins as Parquet does."""
    return beginning.startswith((MAGIC, ENCRYPTED_MAGIC))


class Parquet(Format):
    """Parquet files. Each row is a line."""

    name = "parquet"
    endings = (".parquet",)
    is_nested = True
    is_decoded_by_pyarrow = True

    def fits_name(self, name: str) -> bool:
        """Whether a name is that of Parquet, also with the ending of the compression within: a.parquet.sz."""
        inner = without_inner_ending(name)
        return super().fits_name(name) or (inner != name and super().fits_name(inner))

    def other_kind(self, beginning: bytes) -> str | None:
        """Recognize everything that does not begin as Parquet does."""
        return None if is_parquet(beginning) else "not Parquet"

    def counter(self, layout: Layout) -> LineCounter:
        """Return a counter of bytes, because Parquet has no lines."""
        return ByteCounter()

    def counts(self, file: IO[bytes], counter: LineCounter, layout: Layout) -> tuple[int, int]:
        """Return the number of rows, after pyarrow decoded all of them."""
        from session_pipeline.ingest.formats.parquet_content import count_rows  # loads pyarrow, which is slow

        file.seek(0)
        return count_rows(file, counter.byte_count), 0

    def lines_by_duckdb(self, content: Content) -> Lines:
        """Return a JSON object for each row."""
        from session_pipeline.ingest.formats.parquet_content import row_lines

        return Lines(row_lines(content.plain_path, content.layout), 1, content.line_count)

    def python_rows(self, content: Content) -> Iterator[Row]:
        """Raise an error, because DuckDB reads all Parquet files that pyarrow could decode."""
        raise NotImplementedError


def without_inner_ending(name: str) -> str:
    """Return a name in lower case without an ending that can name the compression within Parquet."""
    if not name.endswith(INNER_ENDINGS):
        return name
    ending = next(each for each in INNER_ENDINGS if name.endswith(each))
    return name.removesuffix(ending)
