"""From raw/ into the store: finds what was delivered, admits and reads what is new, keeps the ledger.

A file is known by its source and content, so a redelivery doubles nothing. Knows the raw folder, the store and the
settings. Does not know formats or fields: admit.py and read.py do.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from session_pipeline import crash_points
from session_pipeline.catalog import Key, SourceFile
from session_pipeline.contracts import table
from session_pipeline.data_folder import DataFolder
from session_pipeline.days import Calendar
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.errors import CorruptFileError, RefusedFileError, StoreError
from session_pipeline.ingest.admit import Admitted, admit
from session_pipeline.ingest.read import Reading, ReadingRules, read
from session_pipeline.plan import digest
from session_pipeline.settings import Settings
from session_pipeline.store import Store, Written

NEW_FILE = "new file"


@dataclass(frozen=True)
class IngestSummary:
    """What one look at raw/ did."""

    found_count: int = 0
    read_count: int = 0
    redelivered_count: int = 0
    corrupt_count: int = 0
    refused_count: int = 0
    accepted_count: int = 0
    set_aside_count: int = 0


def rules_of(settings: Settings, source: str) -> ReadingRules:
    """How the files of a source are read."""
    chosen = settings.source(source)
    return ReadingRules(
        source=source,
        site=chosen.site,
        format=chosen.format,
        columns=dict(chosen.columns),
        constants=dict(chosen.constants),
        timezone=chosen.timezone,
        clock_tolerance_minutes=chosen.clock_tolerance_minutes,
        delimiter=chosen.delimiter,
        keep_query_parameters=tuple(settings.privacy.keep_query_parameters),
        drop_properties=tuple(settings.privacy.drop_properties),
        earliest=Calendar(settings.timezone).start(settings.start_date),
    )


@dataclass(frozen=True)
class Delivery:
    """A file as it lies under raw/."""

    path: Path
    name: str
    source: str
    stamp: str


def deliveries(folder: DataFolder) -> Iterator[Delivery]:
    """Every file under raw/<source>/, by name. Names that begin with a dot are not delivered yet."""
    if not folder.raw.is_dir():
        return
    for source in sorted(entry for entry in folder.raw.iterdir() if entry.is_dir() and not entry.is_symlink()):
        for parent, folders, names in os.walk(source):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if name.startswith("."):
                    continue
                path = Path(parent) / name
                state = path.lstat()
                stamp = f"{state.st_size}-{state.st_mtime_ns}-{state.st_ctime_ns}-{state.st_ino}"
                yield Delivery(path, path.relative_to(folder.raw).as_posix(), source.name, stamp)


class Ingest:
    """One look at what was delivered."""

    def __init__(
        self, folder: DataFolder, settings: Settings, store: Store, engine: DuckDBEngine, *, run_id: str
    ) -> None:
        """Take the deployment; the store must be held for writing."""
        self._folder = folder
        self._settings = settings
        self._store = store
        self._engine = engine
        self._run_id = run_id
        self._ledger = store.catalog.source_files()

    def run(self, on_file: Callable[[int, int, str], None] = lambda done, total, name: None) -> IngestSummary:
        """Take in every file that is new, or that its source's settings now read otherwise."""
        found = list(deliveries(self._folder))
        known = self._store.catalog.delivered()
        summary = dict.fromkeys(IngestSummary.__dataclass_fields__, 0)
        summary["found_count"] = len(found)
        for number, delivery in enumerate(found):
            on_file(number, len(found), delivery.name)
            stamp, file_id = known.get(delivery.name, ("", ""))
            if stamp == delivery.stamp and self._is_current(delivery, file_id):
                continue
            for name, count in self._take(delivery).items():
                summary[name] += count
        on_file(len(found), len(found), "")
        self._write_source_files()
        return IngestSummary(**summary)

    def reread(self, file_id: str) -> None:
        """Read a delivered file again, because its rows in the store are damaged.

        Raises:
            StoreError: The delivered file is gone, too.
        """
        source_file = self._ledger[file_id]
        for delivery in deliveries(self._folder):
            if delivery.name not in self._store.catalog.paths_of(file_id):
                continue
            admitted = self._admit(delivery)
            if admitted.file_id == file_id:
                self._read(delivery, admitted, "its rows in the store are damaged")
                return
            admitted.discard()
        raise StoreError(
            f"rows of the delivered file {source_file.facts['path']} are damaged in the store, and the file is gone;"
            " put it back under raw/ and run again"
        )

    def _is_current(self, delivery: Delivery, file_id: str) -> bool:
        source_file = self._ledger.get(file_id)
        if source_file is None or source_file.fingerprint != rules_of(self._settings, delivery.source).fingerprint:
            return False
        return not any(
            partition.is_damaged for key, partition in self._store.partitions.items() if key.file_id == file_id
        )

    def _take(self, delivery: Delivery) -> dict[str, int]:
        rules = rules_of(self._settings, delivery.source)
        try:
            admitted = self._admit(delivery)
        except (CorruptFileError, RefusedFileError) as error:
            status = "corrupt" if isinstance(error, CorruptFileError) else "refused"
            self._record_not_read(delivery, rules, status, str(error))
            return {f"{status}_count": 1}
        if self._is_current(delivery, admitted.file_id):
            admitted.discard()
            with self._store.catalog.transaction():
                self._store.catalog.put_delivery(delivery.name, admitted.file_id, delivery.stamp)
            return {"redelivered_count": 1}
        reason = "its source's settings changed" if admitted.file_id in self._ledger else NEW_FILE
        reading = self._read(delivery, admitted, reason)
        return {
            "read_count": 1,
            "accepted_count": reading.accepted_count,
            "set_aside_count": reading.set_aside_count,
        }

    def _admit(self, delivery: Delivery) -> Admitted:
        source = self._settings.source(delivery.source)
        return admit(
            delivery.path,
            root=self._folder.raw,
            source=delivery.source,
            format=source.format,
            scratch=self._store.scratch,
            delimiter=source.delimiter,
        )

    def _read(self, delivery: Delivery, admitted: Admitted, reason: str) -> Reading:
        rules = rules_of(self._settings, delivery.source)
        crash_points.reached("ingest: file admitted")
        reading = read(admitted, rules, self._engine.connection, self._store.scratch)
        causes = (f"file {delivery.name}" if reason == NEW_FILE else f"file {delivery.name}: {reason}",)
        crash_points.reached("ingest: file read")
        written = [
            Written(
                key=Key("raw_events", day.utc_date, admitted.file_id),
                path=day.path,
                row_count=day.row_count,
                fingerprint=rules.fingerprint,
                counts={"quarters": f"{sum(1 << quarter for quarter in day.quarters):x}"},
                reason=reason,
                causes=causes,
            )
            for day in reading.days
        ]
        if reading.quarantine_path is not None:
            written.append(
                Written(
                    key=Key("quarantined_lines", None, admitted.file_id),
                    path=reading.quarantine_path,
                    row_count=reading.set_aside_count,
                    fingerprint=rules.fingerprint,
                    counts=dict(reading.reasons),
                    reason=reason,
                )
            )
        facts = {
            "file_id": admitted.file_id,
            "source": delivery.source,
            "site": rules.site,
            "status": "accepted",
            "reason": None,
            "mapping": dict(reading.mapping),
            "byte_count": admitted.byte_count,
            "line_count": admitted.line_count,
            "accepted_count": reading.accepted_count,
            "set_aside_count": reading.set_aside_count,
            "blank_line_count": admitted.blank_line_count,
            "first_event_time": _text(reading.first_event_time),
            "last_event_time": _text(reading.last_event_time),
        }
        kept = {item.key for item in written}
        source_file = SourceFile(admitted.file_id, rules.fingerprint, facts)
        self._store.commit(
            written,
            run_id=self._run_id,
            drop=[key for key in self._store.partitions if key.file_id == admitted.file_id and key not in kept],
            source_file=source_file,
        )
        self._ledger[admitted.file_id] = source_file
        crash_points.reached("ingest: file taken")
        self._store.catalog.put_delivery(delivery.name, admitted.file_id, delivery.stamp)
        crash_points.reached("ingest: delivery recorded")
        return reading

    def _write_source_files(self) -> None:
        """The ledger as a table, when it differs from the one there is."""
        contract = table("source_files")
        rows = [_row(source_file.facts) for source_file in self._store.catalog.source_files().values()]
        fingerprint = digest([contract.shape, sorted(rows, key=lambda row: str(row["file_id"]))])
        key = Key("source_files", None)
        recorded = self._store.get(key)
        if recorded is not None and recorded.fingerprint == fingerprint and not recorded.is_damaged:
            return
        path = self._store.scratch / "source_files.parquet"
        with self._engine.job() as job:
            job.add_rows("ledger", pa.Table.from_pylist(rows, schema=contract.schema))
            count = job.write(contract, "select * from ledger", path)
        self._store.commit([Written(key, path, count, fingerprint, reason="the ledger changed")], run_id=self._run_id)

    def _record_not_read(self, delivery: Delivery, rules: ReadingRules, status: str, reason: str) -> None:
        file_id = sha256(f"{delivery.source}\n{delivery.name}\n{delivery.stamp}".encode()).hexdigest()[:32]
        facts = {
            "file_id": file_id,
            "source": delivery.source,
            "site": rules.site,
            "status": status,
            "reason": reason,
            "mapping": {},
            "byte_count": delivery.path.lstat().st_size,
            "line_count": 0,
            "accepted_count": 0,
            "set_aside_count": 0,
            "blank_line_count": 0,
            "first_event_time": None,
            "last_event_time": None,
        }
        source_file = SourceFile(file_id, rules.fingerprint, facts)
        self._store.commit([], run_id=self._run_id, source_file=source_file)
        self._ledger[file_id] = source_file
        crash_points.reached("ingest: file set down as not read")
        self._store.catalog.put_delivery(delivery.name, file_id, delivery.stamp)


def _row(facts: Mapping[str, Any]) -> dict[str, Any]:
    times = {
        name: facts[name] and datetime.fromisoformat(facts[name]) for name in ("first_event_time", "last_event_time")
    }
    return {**facts, **times, "mapping": json.dumps(facts["mapping"], sort_keys=True)}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(sep=" ", timespec="microseconds")
