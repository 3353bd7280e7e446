"""Reads admitted files into Parquet files: raw_events, one for each file and UTC date, and quarantined_lines.

Every line is accepted, or quarantined with a reason. read_small.py and read_large.py read the lines. deliveries.py
decides what is read, and recorder.py commits the files to the store.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from session_pipeline.errors import CorruptFileError, RefusedFileError
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.reading.read_large import LargeFile
from session_pipeline.ingest.reading.read_small import SmallFiles
from session_pipeline.ingest.reading.result import RangeReading, ReadResult
from session_pipeline.ingest.reading.small_files import is_small
from session_pipeline.ingest.reading.work import Work


def read_together(
    files: Sequence[Admitted], rules: ReadingRules, connection: duckdb.DuckDBPyConnection, scratch: Path
) -> list[ReadResult]:
    """Read small files of one source and format together, or one file of any size.

    The caller owns the files that are written.

    Returns:
        For each file, its reading, or the error that says why it cannot be read.

    Raises:
        SessionPipelineError: Not every line was accepted or quarantined; nothing is kept.
    """
    work: Work
    if all(map(is_small, files)):
        work = SmallFiles(files, rules, connection, scratch)
    else:
        (large,) = files
        work = LargeFile(large, rules, connection, scratch)
    try:
        with work:
            return work.read()
    except (CorruptFileError, RefusedFileError) as error:
        if len(files) > 1:
            raise
        return [error]
    finally:
        for admitted in files:
            admitted.discard()


def read_range(
    admitted: Admitted,
    rules: ReadingRules,
    connection: duckdb.DuckDBPyConnection,
    scratch: Path,
    *,
    lines_before: int,
) -> RangeReading:
    """Read a range of lines of a large file. The caller owns the files that are written.

    Args:
        admitted: The file with the lines of the range as its content and with their counts.
        rules: The rules of its source.
        connection: A connection without other work.
        scratch: Folder for the files.
        lines_before: How many lines of the delivered file come before the first line of that content.

    Raises:
        RefusedFileError: Its header cannot be used.
        SessionPipelineError: Not every line was accepted or quarantined; nothing is kept.
    """
    with LargeFile(admitted, rules, connection, scratch, lines_before=lines_before) as work:
        return work.read_range()
