"""From raw/ into the store: finds what was delivered, admits and reads what is new, keeps the ledger.

A file is known by its source and content, so a redelivery doubles nothing. Knows the raw folder, the store and the
settings. Does not know formats or fields: admit.py and read.py do.
"""

import json
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from time import sleep, time
from typing import Any

import pyarrow as pa

from session_pipeline import crash_points
from session_pipeline.catalog import Key, SourceFile
from session_pipeline.contracts import table
from session_pipeline.data_folder import DataFolder
from session_pipeline.days import Calendar
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.errors import CorruptFileError, RefusedFileError, StillWrittenError, StoreError
from session_pipeline.ingest.admit import Admitted, admit, is_called_like_a_file
from session_pipeline.ingest.read import Reading, ReadingRules, read
from session_pipeline.ingest.visitors import VisitorKey, find_key, make_key
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
    unsettled_count: int = 0
    accepted_count: int = 0
    set_aside_count: int = 0


def rules_of(settings: Settings, source: str, visitor_key: VisitorKey | None) -> ReadingRules:
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
        log_format=chosen.log_format,
        visitor_address=chosen.visitor_address,
        host=chosen.host,
        visitor_key=visitor_key,
        keep_query_parameters=tuple(settings.privacy.keep_query_parameters),
        drop_properties=tuple(settings.privacy.drop_properties),
        earliest=Calendar(settings.timezone).start(settings.start_date),
    )


@dataclass(frozen=True)
class Delivery:
    r"""A file as it lies under raw/, or what lies there and cannot be one.

    Attributes:
        name: Its path below raw/; bytes that are no UTF-8 are written out, as \xff.
        source: The folder under raw/ that it lies in; empty for what lies in raw/ itself.
        stamp: Changes whenever it does.
        byte_count: Its size.
        changed_at: When anything of it changed last, in seconds since 1970, by the clock of the file system.
    """

    path: Path
    name: str
    source: str
    stamp: str
    byte_count: int
    changed_at: float


def deliveries(folder: DataFolder) -> Iterator[Delivery]:
    """Everything under raw/<source>/, by name. Names that begin with a dot are not delivered yet.

    Links are not followed, and folders that are called like files or may not be read are not entered: they are
    deliveries that will be refused.
    """
    if not folder.raw.is_dir():
        return
    for parent, folders, names in os.walk(folder.raw, onerror=_unless_gone):
        is_top = Path(parent) == folder.raw
        entered = [name for name in folders if is_top or not is_called_like_a_file(name)]
        entered = sorted(name for name in entered if _can_be_entered(Path(parent) / name))
        for name in sorted({*names, *folders} - set(entered)):
            if not name.startswith(".") and (delivery := _delivery(folder, Path(parent) / name)) is not None:
                yield delivery
        folders[:] = [name for name in entered if not name.startswith(".")]


def _delivery(folder: DataFolder, path: Path) -> Delivery | None:
    try:
        state = path.lstat()
    except FileNotFoundError:
        return None  # whoever delivers gave it another name just now
    name = Path(os.fsencode(path.relative_to(folder.raw)).decode(errors="backslashreplace"))
    is_folder = stat.S_ISDIR(state.st_mode)
    source = name.parts[0] if len(name.parts) > 1 or is_folder else ""
    stamp = f"{state.st_size}-{state.st_mtime_ns}-{state.st_ctime_ns}-{state.st_ino}"
    if is_folder:
        stamp = f"folder-{state.st_ino}"  # what comes into it is no news
    return Delivery(path, name.as_posix(), source, stamp, state.st_size, state.st_ctime)


def _can_be_entered(path: Path) -> bool:
    return not path.is_symlink() and os.access(path, os.R_OK | os.X_OK, effective_ids=True)


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


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
        self._visitor_key = find_key(folder.visitor_key)
        self._rules: dict[str, ReadingRules] = {}
        self._keys: dict[str, set[Key]] = {}

    def run(
        self,
        on_file: Callable[[int, int, str], None] = lambda done, total, name: None,
        *,
        settle_seconds: float = 0,
    ) -> IngestSummary:
        """Take in every file that is new, or that its source's settings now read otherwise.

        A file that was touched within the last `settle_seconds` is looked at again after them, and left for the next
        run when it has changed.
        """
        self._find_keys()
        found = list(deliveries(self._folder))
        known = self._store.catalog.delivered()
        summary = dict.fromkeys(IngestSummary.__dataclass_fields__, 0)
        summary["found_count"] = len(found)
        to_take = [delivery for delivery in found if not self._is_taken(delivery, known)]
        settled = self._settled(to_take, settle_seconds)
        summary["unsettled_count"] = len(to_take) - len(settled)
        for number, delivery in enumerate(settled):
            on_file(number, len(settled), delivery.name)
            for name, count in self._take(delivery).items():
                summary[name] += count
        if settled:
            on_file(len(settled), len(settled), "")
        self._write_source_files()
        return IngestSummary(**summary)

    def reread(self, file_id: str) -> None:
        """Read a delivered file again, because its rows in the store are damaged.

        Raises:
            StoreError: The delivered file is gone, too.
        """
        self._find_keys()
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

    def _settled(self, found: Sequence[Delivery], seconds: float) -> Sequence[Delivery]:
        """Those that nobody writes to any more, as far as waiting until they are so many seconds old can tell."""
        wait = max((delivery.changed_at for delivery in found), default=0) + seconds - time()
        if not 0 < wait <= seconds:
            return found
        sleep(wait)
        stamps = {delivery.name: delivery.stamp for delivery in deliveries(self._folder)}
        return [delivery for delivery in found if stamps.get(delivery.name) == delivery.stamp]

    def _is_taken(self, delivery: Delivery, known: Mapping[str, tuple[str, str]]) -> bool:
        stamp, file_id = known.get(delivery.name, ("", ""))
        return stamp == delivery.stamp and self._is_current(delivery, file_id)

    def _is_current(self, delivery: Delivery, file_id: str) -> bool:
        source_file = self._ledger.get(file_id)
        if source_file is None or not self._rules_of(delivery).gave(source_file.fingerprint):
            return False
        return not any(self._store.partitions[key].is_damaged for key in self._keys[file_id])

    def _find_keys(self) -> None:
        """Note which partitions each file has, so that thousands of files need no thousand looks at all partitions."""
        self._keys = defaultdict(set)
        for key in self._store.partitions:
            if key.file_id:
                self._keys[key.file_id].add(key)

    def _rules_of(self, delivery: Delivery) -> ReadingRules:
        source = delivery.source
        if source not in self._rules:
            self._rules[source] = rules_of(self._settings, source, self._visitor_key)
        return self._rules[source]

    def _make_visitor_key(self) -> None:
        """Make the key, at the first file that needs it."""
        self._visitor_key = make_key(self._folder.visitor_key)
        self._rules.clear()

    def _take(self, delivery: Delivery) -> dict[str, int]:
        try:
            admitted = self._admit(delivery)
            if self._is_current(delivery, admitted.file_id):
                admitted.discard()
                with self._store.catalog.transaction():
                    self._store.catalog.put_delivery(delivery.name, admitted.file_id, delivery.stamp)
                return {"redelivered_count": 1}
            reason = "its source's settings changed" if admitted.file_id in self._ledger else NEW_FILE
            reading = self._read(delivery, admitted, reason)
        except StillWrittenError:
            return {"unsettled_count": 1}
        except FileNotFoundError:
            if os.path.lexists(delivery.path):
                raise
            return {"unsettled_count": 1}  # under its other name it is found by the next look
        except (CorruptFileError, RefusedFileError) as error:
            return self._record_not_read(delivery, error)
        return {
            "read_count": 1,
            "accepted_count": reading.accepted_count,
            "set_aside_count": reading.set_aside_count,
        }

    def _admit(self, delivery: Delivery) -> Admitted:
        if not delivery.source:
            raise RefusedFileError("it lies in no folder of a source; move it into one, as raw/web/")
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
        if self._visitor_key is None and self._rules_of(delivery).makes_visitors(admitted.format):
            self._make_visitor_key()
        rules = self._rules_of(delivery)
        fingerprint = rules.fingerprint(admitted.format)
        crash_points.reached("ingest: file admitted")
        reading = read(admitted, rules, self._engine.connection, self._store.scratch)
        causes = (f"file {delivery.name}" if reason == NEW_FILE else f"file {delivery.name}: {reason}",)
        crash_points.reached("ingest: file read")
        written = [
            Written(
                key=Key("raw_events", day.utc_date, admitted.file_id),
                path=day.path,
                row_count=day.row_count,
                fingerprint=fingerprint,
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
                    fingerprint=fingerprint,
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
        if rules.visitor_key is not None and rules.makes_visitors(admitted.format):
            facts["visitor_key"] = rules.visitor_key.fingerprint
        kept = {item.key for item in written}
        source_file = SourceFile(admitted.file_id, fingerprint, facts)
        self._store.commit(
            written,
            run_id=self._run_id,
            drop=sorted(self._keys[admitted.file_id] - kept),
            source_file=source_file,
            delivery=(delivery.name, delivery.stamp),
        )
        self._keys[admitted.file_id] = kept
        self._ledger[admitted.file_id] = source_file
        crash_points.reached("ingest: file taken")
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

    def _record_not_read(self, delivery: Delivery, error: CorruptFileError | RefusedFileError) -> dict[str, int]:
        status = "corrupt" if isinstance(error, CorruptFileError) else "refused"
        file_id = sha256(f"{delivery.source}\n{delivery.name}\n{delivery.stamp}".encode()).hexdigest()[:32]
        rules = self._rules_of(delivery)
        facts = {
            "file_id": file_id,
            "source": delivery.source,
            "site": rules.site,
            "status": status,
            "reason": str(error),
            "mapping": {},
            "byte_count": delivery.byte_count,
            "line_count": 0,
            "accepted_count": 0,
            "set_aside_count": 0,
            "blank_line_count": 0,
            "first_event_time": None,
            "last_event_time": None,
        }
        source_file = SourceFile(file_id, rules.fingerprint(""), facts)
        self._store.commit([], run_id=self._run_id, source_file=source_file, delivery=(delivery.name, delivery.stamp))
        self._ledger[file_id] = source_file
        crash_points.reached("ingest: file set down as not read")
        return {f"{status}_count": 1}


def _row(facts: Mapping[str, Any]) -> dict[str, Any]:
    times = {
        name: facts[name] and datetime.fromisoformat(facts[name]) for name in ("first_event_time", "last_event_time")
    }
    return {**facts, **times, "mapping": json.dumps(facts["mapping"], sort_keys=True)}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(sep=" ", timespec="microseconds")
