"""Writes the same events in other lines, files and formats, and compares the rows of two deployments.

Which of these differences must not change the tables is tested in test_metamorphic.py and test_metamorphic_events.py.
"""

import bz2
import csv
import gzip
import io
import json
import lzma
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from random import Random
from typing import Any

import duckdb

from session_pipeline.engines.sql import file_list
from session_pipeline.ingest.formats.compression import zstd
from session_pipeline.run.pipeline import open_store
from session_pipeline.tables import TABLES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles.generated_cases import Group

Event = dict[str, Any]
Row = dict[str, Any]
Rows = Mapping[str, list[Row]]

# The columns that depend on the place of a line, and those that depend on its exact text.
PLACE = frozenset({"file_id", "line_number", "kept_file_id", "kept_line_number"})
TEXT = frozenset({"content_hash", "is_same_content"})
SESSION_IDS = frozenset({"session_id", "first_session_id"})
EXAMPLES = frozenset({"stopped_session_ids", "example_session_id", "example_session_ids"})
# Of two sessions of a visitor that begin at the same instant, the one with the smaller id is the first visit. These
# columns depend on which one that is, and ids are others after a change. Blocks of days are counted from a fixed day.
OF_FIRST_VISIT: Mapping[str, frozenset[str]] = {
    "visitors": frozenset({"first_session_id", "first_channel", "first_utm_campaign", "user_id"}),
    "visitor_states": frozenset({"first_session_id", "first_channel", "first_utm_campaign", "user_id", "block_number"}),
    "visitor_days": frozenset({"first_session_id", "channel"}),
    "session_facts": frozenset({"visit_number"}),
}

AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
)


@dataclass(frozen=True)
class File:
    """The events of a file under raw/<source>, independent of the format in which they are written."""

    name: str
    source: str
    events: tuple[Event, ...]


# Events of files


def files_of(cases: Group) -> list[File]:
    """Return the files of a group of cases, with a sequence number and further fields in each line.

    These depend only on the content of the line, so identical lines stay identical.
    """
    contents: dict[str, Event] = {}
    for delivered in cases.deliveries:
        for line in delivered.lines:
            contents.setdefault(line, _said_more(json.loads(line), len(contents)))
    return [
        File(delivered.name, delivered.source, tuple(contents[line] for line in delivered.lines))
        for delivered in cases.deliveries
    ]


def _said_more(event: Event, number: int) -> Event:
    random = Random(number)
    more: Event = {
        "sequence": number,
        "user_agent": random.choice([None, *AGENTS[:2], *AGENTS]),
        "page_title": random.choice([None, "Über uns", 'say "hi", \\ and / bye', "日本"]),
        "referrer": random.choice([None, None, "https://www.google.com/", "https://news.example/?a=b"]),
        "variant": random.choice([None, "a", "b"]),
        "plan": random.choice([None, "gold; or silver"]),
    }
    if event["event_name"] == "purchase":
        more |= {"value": f"{random.randrange(1, 10**9)}e-6", "currency": "EUR"}
    return event | {name: value for name, value in more.items() if value is not None}


def without_rivals(files: Iterable[File]) -> list[File]:
    """Return one file per source, without copies that have the same id and time but different fields.

    The hash of the line's text decides which of such copies is kept, so another text may give another result.
    """
    first: dict[tuple[Any, ...], Event] = {}
    kept: dict[str, list[Event]] = {}
    for file in files:
        for event in file.events:
            key = (file.source, event["visitor_id"], event["event_id"], event["event_time"])
            if first.setdefault(key, event) == event:
                kept.setdefault(file.source, []).append(event)
    return [File(f"all-{source}", source, tuple(events)) for source, events in kept.items()]


def changed(files: Iterable[File], change: Callable[[Event], Event]) -> list[File]:
    return [File(file.name, file.source, tuple(change(event) for event in file.events)) for file in files]


def split_otherwise(files: Iterable[File], random: Random, most_files: int = 5) -> list[File]:
    """Distribute the lines over other files in random order. A file that was delivered twice counts once."""
    once: list[File] = []
    for file in files:
        if not any((file.source, file.events) == (other.source, other.events) for other in once):
            once.append(file)
    by_source: dict[str, list[Event]] = {}
    for file in once:
        by_source.setdefault(file.source, []).extend(file.events)
    otherwise = []
    for source, events in by_source.items():
        random.shuffle(events)
        heaps: list[list[Event]] = [[] for _ in range(random.randint(1, most_files))]
        for event in events:
            random.choice(heaps).append(event)
        otherwise += [File(f"heap-{number}", source, tuple(heap)) for number, heap in enumerate(heaps) if heap]
    random.shuffle(otherwise)
    return otherwise


# Formats: each writer returns the content and the ending of the file name


def as_json_lines(events: Sequence[Event]) -> tuple[bytes, str]:
    return "".join(json.dumps(event) + "\n" for event in events).encode(), ".jsonl"


def as_other_json_lines(events: Sequence[Event]) -> tuple[bytes, str]:
    """Write keys in another order, spaces, a null field, unescaped Unicode, and an escaped slash and letter."""
    lines = []
    for event in events:
        said = {name: event[name] for name in sorted(event, reverse=True)} | {"element": None}
        text = json.dumps(said, ensure_ascii=False, separators=(" , ", " : ")).replace("/", "\\/")
        lines.append("  " + text.replace("page", "\\u0070age") + " \n")
    return "".join(lines).encode(), ".ndjson"


def with_marks_and_line_ends(events: Sequence[Event]) -> tuple[bytes, str]:
    content, ending = as_json_lines(events)
    return b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n").removesuffix(b"\r\n"), ending


def as_csv(events: Sequence[Event]) -> tuple[bytes, str]:
    return _separated(events, ","), ".csv"


def as_csv_with_semicolons(events: Sequence[Event]) -> tuple[bytes, str]:
    return _separated(events, ";", csv.QUOTE_ALL), ".csv"


def as_tsv(events: Sequence[Event]) -> tuple[bytes, str]:
    names = _names(events)
    lines = ["\t".join(names), *("\t".join(str(event.get(name, "")) for name in names) for event in events)]
    return "".join(line + "\n" for line in lines).encode(), ".tsv"


def _separated(events: Sequence[Event], delimiter: str, quoting: Any = csv.QUOTE_MINIMAL) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, _names(events), delimiter=delimiter, quoting=quoting, lineterminator="\n")
    writer.writeheader()
    writer.writerows(events)
    return text.getvalue().encode()


def _names(events: Sequence[Event]) -> list[str]:
    return sorted({name for event in events for name in event})


def gzipped(content: bytes) -> bytes:
    half = len(content) // 2
    return gzip.compress(content[:half], mtime=0) + gzip.compress(content[half:], 1, mtime=0)


WRITERS: Mapping[str, Callable[[Sequence[Event]], tuple[bytes, str]]] = {
    writer.__name__: writer
    for writer in (
        as_json_lines,
        as_other_json_lines,
        with_marks_and_line_ends,
        as_csv,
        as_csv_with_semicolons,
        as_tsv,
    )
}
COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": gzipped,
    ".zst": zstd.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def deliver(deployment: Deployment, file: File, writer: str = "as_json_lines", compression: str = "") -> None:
    content, ending = WRITERS[writer](file.events)
    path = deployment.folder.raw / file.source / f"{file.name}{ending}{compression}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(COMPRESSIONS[compression](content))


# Rows of two deployments


def rows_of(deployment: Deployment) -> dict[str, list[Row]]:
    """Return the rows of all tables by name, with the date of the partition.

    The logs are left out because they depend on the history, and source_files and quarantined_lines because they
    depend on the files.
    """
    rows: dict[str, list[Row]] = {}
    with closing(open_store(deployment.folder)) as store, duckdb.connect() as connection:
        for name, contract in TABLES.items():
            if contract.is_log or name in ("source_files", "quarantined_lines"):
                continue
            rows[name] = []
            for partition in store.of_table(name):
                files = file_list([store.path_of(partition)])
                found = connection.execute(f"select * from read_parquet({files}, hive_partitioning = false)")
                names = [column[0] for column in found.description or ()]
                date = {contract.date_column: partition.key.date} if contract.date_column else {}
                rows[name] += [date | dict(zip(names, values, strict=True)) for values in found.fetchall()]
    return rows


def without(rows: Rows, columns: Collection[str]) -> dict[str, list[Row]]:
    """Return the rows without some columns, and with the keys of properties in a fixed order."""

    def kept(row: Row) -> Row:
        row = {name: value for name, value in row.items() if name not in columns}
        if row.get("properties"):
            row["properties"] = json.dumps(json.loads(row["properties"]), sort_keys=True)
        return row

    return {table: [kept(row) for row in found] for table, found in rows.items()}


def mapped(rows: Rows, change: Callable[[str, Any], Any]) -> dict[str, list[Row]]:
    """Return the rows with changed values. Session ids become the text that they hash, computed after the change.

    What depends on the order of session ids is left out, such as examples, which are the sessions with the smallest.

    Args:
        rows: The rows of all tables.
        change: Returns the new value for the name of a column and its value.
    """
    rows = {
        table: [{name: change(name, value) for name, value in row.items()} for row in found]
        for table, found in rows.items()
    }
    names = {
        row["session_id"]: "|".join(map(str, (row["site"], row["visitor_id"], row["event_id"], row["event_time"])))
        for row in rows["events"]
        if row["event_number"] == 1
    }

    def renamed(table: str, row: Row) -> Row:
        left_out = EXAMPLES | OF_FIRST_VISIT.get(table, frozenset())
        return {
            name: names.get(value, value) if name in SESSION_IDS else value
            for name, value in row.items()
            if name not in left_out
        }

    return {table: [renamed(table, row) for row in found] for table, found in rows.items()}


def differences(rows: Rows, others: Rows) -> dict[str, tuple[int, int, Any, Any]]:
    """Compare rows in any order.

    Returns:
        For each table that differs: the number of rows that only the first and only the second side has, and one of
        each.
    """
    found = {}
    for table in rows.keys() | others.keys():
        here, there = (Counter(_hashable(row) for row in side.get(table, [])) for side in (rows, others))
        if here != there:
            ours, theirs = sorted(here - there, key=repr), sorted(there - here, key=repr)
            found[table] = (len(ours), len(theirs), ours[:1], theirs[:1])
    return found


def _hashable(row: Row) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(row.items()))
