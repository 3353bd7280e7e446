"""Verifies delivered Parquet files with pyarrow, and gives the SELECT with which DuckDB reads them as lines of JSON.

DuckDB does not verify checksums, so pyarrow first decodes and counts all rows. Sizes that a file claims are checked,
because they can be wrong. The SQL files of queries/ turn the lines into events.
"""

import errno
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from session_pipeline.engines.sql import literal
from session_pipeline.errors import CorruptFileError, RefusedFileError
from session_pipeline.ingest.formats.compression import EXPANSION_FREE_BYTES, EXPANSION_RATIO, check_expansion
from session_pipeline.ingest.formats.format import escaped
from session_pipeline.ingest.formats.layout import Layout
from session_pipeline.ingest.formats.parquet import ENCRYPTED_MAGIC, MAGIC
from session_pipeline.ingest.formats.records import LONGEST_EVENT_BYTES, MOST_COLUMNS
from session_pipeline.ingest.sql import query

ENCRYPTED = "it is encrypted Parquet, and no keys can be given; deliver it decrypted"
FREE_ROWS = 1_000_000  # a file of any size may claim this many rows; beyond it, EXPANSION_RATIO per byte
LARGEST_FOOTER_BYTES = 64 << 20
MOST_FOOTER_ENTRIES = 1_000_000
BATCH_ROWS = 8192
LARGEST_BATCH_BYTES = 512 << 20
NO_DICTIONARY = "DictAccumulator"  # in pyarrow's error when it cannot decode an encoding into dictionaries
DEEPEST_EXACT = 8  # DuckDB's planning time grows exponentially with the depth of nested functions
THOUSANDS_DIGITS = 3  # digits between the separators of thousands
EXACT_DIGITS = 15  # digits that a JSON number preserves; decimals with more digits are written as text


def count_rows(file: IO[bytes], byte_count: int) -> int:
    """Decode all rows of a Parquet file, verify the page checksums that it has, and return the number of rows.

    Raises:
        CorruptFileError: It is cut short or damaged, or its parts contradict each other.
        RefusedFileError: Its claimed or decoded size is unreasonable for its number of bytes, or it is of a kind that
            is not supported, such as encrypted.
    """
    beginning = file.read(len(MAGIC))
    file.seek(max(byte_count - len(MAGIC), 0))
    if beginning == ENCRYPTED_MAGIC:
        raise RefusedFileError(ENCRYPTED)
    if byte_count < 3 * len(MAGIC) or (beginning, file.read()) != (MAGIC, MAGIC):
        raise CorruptFileError("it does not begin and end as Parquet does")
    file.seek(0)
    try:
        parquet = _opened(file)
        claimed = parquet.metadata.num_rows
        _check_claims(parquet.metadata, byte_count)
        _names(parquet.schema_arrow)
        try:
            row_count = _row_count(parquet, byte_count, _rows_at_once(parquet.schema))
        except (pa.ArrowException, OSError) as error:
            if NO_DICTIONARY not in str(error):
                raise
            row_count = _row_count_without_dictionaries(file, byte_count)
    except (pa.ArrowNotImplementedError, pa.ArrowMemoryError, MemoryError) as error:
        raise RefusedFileError(
            f"it is Parquet that cannot be read here: {_first_line(error)}; write it with common types and compression"
        ) from error
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EIO:
            raise  # the disk cannot read the file; that says nothing about its content
        if "decrypt" in str(error):  # only some columns are encrypted, or everything except the footer
            raise RefusedFileError(ENCRYPTED) from error
        raise CorruptFileError(f"Parquet: {_first_line(error)}") from error
    if row_count != claimed:
        raise CorruptFileError(f"Parquet: {claimed:,} rows are promised, and {row_count:,} are there")
    return row_count


def row_lines(path: Path, layout: Layout) -> str:
    """Return a SELECT of (line, reason, detail) with a JSON object for each row, in the file's order."""
    with pq.ParquetFile(path) as file:
        names = layout.names_as_asked(_names(file.schema_arrow))
        types = _types(file)
    columns = [f"c{number}" for number in range(len(names))]
    members = (
        f"{literal(name)}, {_distinct_decimal(column, type) if layout.decimal_comma else _json(column, type)}"
        for name, column, type in zip(names, columns, types, strict=True)
    )
    return query(
        "parquet_rows",
        members=", ".join(members),
        columns=", ".join(columns),
        path=literal(escaped(path)),
        longest=LONGEST_EVENT_BYTES,
    )


def _opened(file: IO[bytes], *, with_dictionaries: bool = True) -> pq.ParquetFile:
    """Open the file. Texts are read as dictionaries: a long text that repeats a million times is stored once."""
    limits = {
        "thrift_string_size_limit": LARGEST_FOOTER_BYTES,
        "thrift_container_size_limit": MOST_FOOTER_ENTRIES,
        "page_checksum_verification": True,
    }
    parquet = pq.ParquetFile(file, **limits)
    schema = parquet.schema
    if len(schema) > MOST_COLUMNS:
        raise RefusedFileError(f"it has {len(schema):,} columns, more than {MOST_COLUMNS:,}; deliver fewer")
    if not with_dictionaries:
        return parquet
    leaves = (schema.column(number) for number in range(len(schema)))
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY" and leaf.path in schema.names]
    file.seek(0)
    return pq.ParquetFile(file, read_dictionary=texts, **limits)


def _row_count(parquet: pq.ParquetFile, byte_count: int, batch_rows: int) -> int:
    """Decode all rows in batches and return their number."""
    row_count = expanded_count = 0
    for batch in parquet.iter_batches(batch_size=batch_rows, use_threads=False):
        row_count += batch.num_rows
        expanded_count += sum(map(_expanded, batch.columns))
        check_expansion(expanded_count, byte_count)
    return row_count


def _row_count_without_dictionaries(file: IO[bytes], byte_count: int) -> int:
    """Count the rows of a file with texts in encodings that pyarrow cannot decode into dictionaries.

    The columns concerned cannot be determined, because pyarrow terminates the process when it reads the metadata of a
    damaged column. A text can be as long as its row group, so fewer rows are decoded at a time if row groups are large.
    """
    file.seek(0)
    parquet = _opened(file, with_dictionaries=False)
    metadata = parquet.metadata
    largest = max(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    rows_of_texts = max(LARGEST_BATCH_BYTES // max(largest, 1), 1)
    return _row_count(parquet, byte_count, min(_rows_at_once(parquet.schema), rows_of_texts))


def _rows_at_once(schema: pq.ParquetSchema) -> int:
    """Return how many rows are decoded at a time: fewer if the binary values of fixed length of a row are long.

    pyarrow does not read such values as dictionaries.
    """
    leaves = (schema.column(number) for number in range(len(schema)))
    row_bytes: int = sum(leaf.length for leaf in leaves if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY")
    return max(min(BATCH_ROWS, EXPANSION_FREE_BYTES // max(row_bytes, 1)), 1)


def _check_claims(metadata: pq.FileMetaData, byte_count: int) -> None:
    """Check the sizes and counts that a file claims, before anything is decoded."""
    sizes = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
    rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    if min([metadata.num_rows, *sizes, *rows]) < 0 or sum(rows) != metadata.num_rows:
        raise CorruptFileError("Parquet: its figures contradict each other")
    if metadata.num_rows > max(FREE_ROWS, byte_count * EXPANSION_RATIO):
        raise RefusedFileError(f"it claims {metadata.num_rows:,} rows in {byte_count:,} bytes; write it again")
    check_expansion(sum(sizes), byte_count)


def _names(schema: pa.Schema) -> list[str]:
    names = [name.strip() or f"column_{number}" for number, name in enumerate(schema.names, start=1)]
    if not names:
        raise RefusedFileError("it has no columns; write it with the columns of events")
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise RefusedFileError(f"it has more than one column {repeated[0]!r}; give each its own name")
    return names


def _types(file: pq.ParquetFile) -> list[pa.DataType]:
    """Return the types of the columns as DuckDB reads them: pyarrow reads Parquet's INTERVAL as binary data."""
    types = [column.type for column in file.schema_arrow]
    are_intervals = [file.schema.column(number).converted_type == "INTERVAL" for number in range(len(file.schema))]
    if not any(are_intervals):
        return types
    of_leaves = iter(are_intervals)
    return [_with_intervals(type, of_leaves) for type in types]


def _with_intervals(type: pa.DataType, are_intervals: Iterator[bool]) -> pa.DataType:
    """Return a type with intervals for the leaves that are, which come in the order of the file."""
    if pa.types.is_struct(type):
        return pa.struct([each.with_type(_with_intervals(each.type, are_intervals)) for each in type])
    if pa.types.is_map(type):
        key_type = _with_intervals(type.key_type, are_intervals)
        return pa.map_(key_type, _with_intervals(type.item_type, are_intervals))
    if _is_list(type):
        return pa.list_(_with_intervals(type.value_type, are_intervals))
    return pa.month_day_nano_interval() if next(are_intervals) else type


def _is_list(type: pa.DataType) -> bool:
    """Whether a type is one of Arrow's three types of lists, which DuckDB and JSON do not tell apart."""
    return bool(pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type))


def _expanded(column: pa.Array) -> int:
    """Return the bytes that a column of a batch takes if each of its texts is written out."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary).cast(pa.int64())
    return 4 * len(column) + int(pc.sum(lengths.take(column.indices)).as_py() or 0)


def _json(value: str, type: pa.DataType, depth: int = 0) -> str:
    """Return an expression for a value as exact JSON.

    DuckDB's to_json converts more deeply nested values, and maps without NaN and infinity, which are not JSON.
    """
    if depth > DEEPEST_EXACT:
        return f"to_json({value})"
    if pa.types.is_dictionary(type):
        return _json(value, type.value_type, depth)
    if pa.types.is_timestamp(type):
        written = f"cast(timezone('UTC', {value}) as varchar) || 'Z'" if type.tz else f"cast({value} as varchar)"
        return f"to_json({written})"
    if pa.types.is_floating(type):
        return f"case when isfinite({value}) then to_json({value}) else to_json(cast({value} as varchar)) end"
    if pa.types.is_decimal(type):
        written = f"cast({value} as varchar)"
        return f"cast({written} as json)" if type.precision <= EXACT_DIGITS else f"to_json({written})"
    if pa.types.is_binary(type) or pa.types.is_large_binary(type) or pa.types.is_fixed_size_binary(type):
        return f"to_json(coalesce(try(decode({value})), hex({value})))"
    if pa.types.is_temporal(type):  # also intervals
        return f"to_json(cast({value} as varchar))"
    if _is_list(type):
        item = f"item_{depth}"
        return f"to_json(list_transform({value}, lambda {item}: {_json(item, type.value_type, depth + 1)}))"
    if pa.types.is_struct(type):
        # By position, because DuckDB renames members whose names differ only in case.
        members = ", ".join(
            f"{literal(member.name)}, {_json(f'struct_extract_at({value}, {number})', member.type, depth + 1)}"
            for number, member in enumerate(type, start=1)
        )
        return f"case when {value} is not null then json_object({members}) end"
    if pa.types.is_map(type) and (is_not_json := _is_not_json(value, type)):
        return f"case when {is_not_json} then {_map_json(value, type, depth)} else to_json({value}) end"
    return f"to_json({value})"


def _distinct_decimal(value: str, type: pa.DataType) -> str:
    """Return an expression for a column as exact JSON in which no decimal reads as thousands: 1.234 is 1.2340.

    It is for files whose texts have decimal commas, because decimals of many digits are written as text.
    """
    if pa.types.is_decimal(type) and type.scale == THOUSANDS_DIGITS and type.precision > EXACT_DIGITS:
        return f"to_json(cast({value} as varchar) || '0')"
    return _json(value, type)


def _map_json(value: str, type: pa.MapType, depth: int) -> str:
    """Return an expression for a map as JSON. It is put together as text, because a map can have a key twice."""
    entry = f"entry_{depth}"
    item = f"coalesce(cast({_json(f'{entry}.value', type.item_type, depth + 1)} as varchar), 'null')"
    member = f"cast(to_json(cast({entry}.key as varchar)) as varchar) || ':' || {item}"
    members = f"list_transform(map_entries({value}), lambda {entry}: {member})"
    return f"cast('{{' || array_to_string({members}, ',') || '}}' as json)"


def _is_not_json(value: str, type: pa.DataType, depth: int = 0) -> str | None:
    """Return an expression for whether a value contains NaN or infinity; None if values of its type cannot."""
    if depth > DEEPEST_EXACT:
        return None
    if pa.types.is_dictionary(type):
        return _is_not_json(value, type.value_type, depth)
    if pa.types.is_floating(type):
        return f"not isfinite({value})"
    inner = f"inner_{depth}"
    if _is_list(type):
        found = _is_not_json(inner, type.value_type, depth + 1)
        return found and f"len(list_filter({value}, lambda {inner}: {found})) > 0"
    if pa.types.is_map(type):
        found = _is_not_json(inner, type.item_type, depth + 1)
        return found and f"len(list_filter(map_values({value}), lambda {inner}: {found})) > 0"
    if pa.types.is_struct(type):
        members = enumerate(type, start=1)
        found_in = [_is_not_json(f"struct_extract_at({value}, {at})", each.type, depth + 1) for at, each in members]
        return f"({' or '.join(filter(None, found_in))})" if any(found_in) else None
    return None


def _first_line(error: BaseException) -> str:
    return next(filter(str.strip, str(error).splitlines()), type(error).__name__)[:200]
