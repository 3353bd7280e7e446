"""Takes delivered files from raw/ into the store: finds them, admits and reads new ones, records them in the ledger.

A file is identified by its source and content, so a redelivery adds no rows. Small files are read and committed
together. ledger.py decides what must be read; admission/admit.py and reading/read.py handle formats and fields;
recorder.py commits.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import sleep, time

from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.base import TaskRunner
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.errors import (
    CorruptFileError,
    RefusedFileError,
    StillWrittenError,
    StoreError,
    UnreadableFileError,
)
from session_pipeline.ingest.admission.admit import Admitted, id_of_content
from session_pipeline.ingest.admission.raw_folder import Delivery, deliveries
from session_pipeline.ingest.erasing.erase_stored import erase_stored
from session_pipeline.ingest.erasing.erased_rows import all_without_erased
from session_pipeline.ingest.erasing.erasures import erasures_of
from session_pipeline.ingest.ledger import DAMAGED_ROWS, NEW_FILE, OTHER_FORMAT, Ledger
from session_pipeline.ingest.mapping.rule_changes import CHANGED_SETTINGS
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.source_rules import SourceRules
from session_pipeline.ingest.mapping.visitors import find_key, make_key
from session_pipeline.ingest.reading.read_ahead import FilesAhead, ReaderAhead
from session_pipeline.ingest.reading.readers import make_reader
from session_pipeline.ingest.reading.result import Reading
from session_pipeline.ingest.reading.small_files import MOST_BYTES_TOGETHER, MOST_FILES_TOGETHER, is_small
from session_pipeline.ingest.recorder import Recorder
from session_pipeline.ingest.source_files import write_source_files
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.ingest.taken import Pending
from session_pipeline.reference.days import Calendar
from session_pipeline.settings import Settings
from session_pipeline.store import crash_points
from session_pipeline.store.files import remove_temporaries
from session_pipeline.store.records import Partition
from session_pipeline.store.store import Store
from session_pipeline.tables.identity.from_settings import linking_events


class Ingest:
    """One ingest of the delivered files."""

    def __init__(
        self,
        folder: DataFolder,
        settings: Settings,
        store: Store,
        engine: DuckDBEngine,
        *,
        run_id: str,
        runner: TaskRunner | None = None,
        ahead: FilesAhead | None = None,
    ) -> None:
        """Prepare an ingest. The caller must hold the write lock of the store.

        Args:
            folder: The data folder.
            settings: Its settings.
            store: Its store.
            engine: The local engine.
            run_id: The run that commits.
            runner: Runs the tasks that read the files; None to read them here.
            ahead: Files that were read ahead.
        """
        self._folder = folder
        self._settings = settings
        self._store = store
        self._engine = engine
        self._run_id = run_id
        # A killed run's copy of the key.
        remove_temporaries(folder.visitor_key.parent, f".{folder.visitor_key.name}.*", is_only_writer=True)
        self._visitor_key = find_key(folder.visitor_key)
        self._erasures = replace(erasures_of(folder), linking_events=linking_events(settings))
        self._rules: dict[str, SourceRules] = {}
        self._reader = make_reader(folder.raw, store.scratch, engine.connection, self._rules_of_source, runner)
        if ahead is not None and ahead.is_for(settings, self._visitor_key):
            self._reader = ReaderAhead(ahead, self._reader)
        self._ledger: Ledger
        self._recorder: Recorder
        self._pending: dict[str, Pending] = {}
        self._again: list[tuple[Delivery, str]] = []
        self._counts: Counter[str] = Counter()

    def run(
        self,
        on_file: Callable[[int, int, str], None] = lambda done, total, name: None,
        *,
        settle_seconds: float = 0,
    ) -> IngestSummary:
        """Ingest every file that is new or whose rows would differ under its current name and settings.

        Args:
            on_file: Called before each file with the number of files done, their total and the file's name, and once
                at the end with an empty name.
            settle_seconds: If a file changed within this time, wait until it has passed. A file that changes again
                meanwhile is left for the next run.

        Raises:
            StoreError: An erasure is unfinished, and rows of a file are damaged in the store, or the disk cannot read
                them, and the file is gone.
        """
        damaged: set[str] = set()
        if self._erasures.unfinished is not None:
            damaged = erase_stored(self._store, self._erasures, self._run_id, self.mark_damaged)
        found = list(deliveries(self._folder))
        self._counts = Counter(found_count=len(found))
        self._read_ledger()
        self._ledger.look(found)
        self._recorder.forget_outdated(found)
        to_take = [delivery for delivery in found if self._ledger.why_read(delivery) is not None]
        settled = self._settled(to_take, settle_seconds)
        self._counts["unsettled_count"] = len(to_take) - len(settled)
        self._look_ahead(settled)
        for number, delivery in enumerate(settled):
            on_file(number, len(settled), delivery.name)
            self._take(delivery)
        self._read_pending()
        for file_id in sorted(damaged):
            if any(self._store.partitions[key].is_damaged for key in self._ledger.keys[file_id]):
                self.reread(file_id)  # otherwise, the erasure would be finished and the erased rows still be there
        if settled:
            on_file(len(settled), len(settled), "")
        write_source_files(self._store, self._engine, self._run_id)
        return IngestSummary(**self._counts)

    def mark_damaged(self, partition: Partition) -> None:
        """Mark rows of a delivered file as damaged, so that they are not used any more and the file is read again.

        Raises:
            StoreError: As `refuse_unreadable`; then nothing is marked.
        """
        refuse_unreadable(self._folder, self._store, partition)
        self._store.mark_damaged(partition)

    def reread(self, file_id: str) -> None:
        """Read a delivered file again because its rows in the store are damaged.

        Raises:
            StoreError: The delivered file is gone as well, or the disk cannot read it.
        """
        self._read_ledger()
        source_file = self._ledger.files[file_id]
        paths = self._store.catalog.paths_of(file_id)
        problem = "is missing"
        candidates = [delivery for delivery in deliveries(self._folder) if delivery.name in paths]
        # Paths whose format is the one that the content was read as come first.
        for delivery in sorted(
            candidates, key=lambda each: self._ledger.format_of(each) != source_file.facts["format"]
        ):
            try:
                admitted = self._reader.admit(delivery)
            except UnreadableFileError:
                problem = "cannot be read by the disk"
                continue
            except (CorruptFileError, RefusedFileError, FileNotFoundError):
                continue  # the path has something else now; another path can still have the content
            if admitted.file_id == file_id:
                self._pending[file_id] = Pending(admitted, [delivery], DAMAGED_ROWS)
                [reading] = self._read_pending()
                if isinstance(reading, Exception):
                    raise reading
                return
            admitted.discard()
        raise StoreError(
            f"rows of the delivered file {source_file.facts['path']} are damaged in the store, and the file {problem};"
            " deliver it again under raw/ and run again"
        )

    def _look_ahead(self, found: Sequence[Delivery]) -> None:
        """Let the reader prepare for deliveries. A key that one of them needs is made before."""
        if self._reader.looks_ahead:
            if self._visitor_key is None and found:
                self._make_visitor_key()
            self._reader.look_ahead(found, self._ledger.readable())

    def _settled(self, found: Sequence[Delivery], seconds: float) -> Sequence[Delivery]:
        """Wait until all deliveries are at least `seconds` old, then return those that did not change meanwhile."""
        now = time()
        # By the clock of the file system, which can be ahead; a time that is further ahead is no recent one.
        recent = [delivery.changed_at for delivery in found if abs(now - delivery.changed_at) < seconds]
        if not recent:
            return found
        sleep(max(recent) + seconds - now)
        stamps = {delivery.name: delivery.stamp for delivery in deliveries(self._folder)}
        return [delivery for delivery in found if stamps.get(delivery.name) == delivery.stamp]

    def _read_ledger(self) -> None:
        self._ledger = Ledger(self._store.catalog, self._store.partitions, self._rules_of)
        self._recorder = Recorder(
            self._folder.raw,
            self._store,
            self._ledger,
            self._counts,
            calendar=Calendar(self._settings.timezone),
            run_id=self._run_id,
        )

    def _rules_of(self, source: str, preset: str | None = None) -> ReadingRules:
        return self._rules_of_source(source).of(preset)

    def _rules_of_source(self, source: str) -> SourceRules:
        if source not in self._rules:
            self._rules[source] = SourceRules(self._settings, source, self._visitor_key)
        return self._rules[source]

    def _make_visitor_key(self) -> None:
        """Create the key. This happens at the first file, because any file can have addresses as visitor ids."""
        self._visitor_key = make_key(self._folder.visitor_key)
        self._rules.clear()

    def _take(self, delivery: Delivery) -> None:
        """Admit a delivery. It is read now, or later together with others."""
        try:
            admitted = self._reader.admit(delivery)
        except StillWrittenError:
            self._counts["unsettled_count"] += 1
        except FileNotFoundError:
            if os.path.lexists(delivery.path):
                raise
            self._counts["unsettled_count"] += 1  # it was renamed; the next run finds it under its new name
        except (CorruptFileError, RefusedFileError) as error:
            self._recorder.not_read(delivery, self._rules_of(delivery.source), error)
        else:
            self._take_admitted(delivery, admitted)

    def _take_admitted(self, delivery: Delivery, admitted: Admitted) -> None:
        file_id = admitted.file_id
        self._ledger.there[file_id][delivery.name] = admitted.format
        if not self._fits_pending(admitted):
            self._read_pending()
        if pending := self._pending.get(file_id):
            admitted.discard()
            pending.deliveries.append(delivery)
            return
        usable = self._ledger.is_usable(delivery.source, file_id)
        if usable and admitted.format in self._ledger.files[file_id].facts["formats"]:
            admitted.discard()
            self._again.append((delivery, file_id))
            if len(self._again) == MOST_FILES_TOGETHER:
                self._record_again()
            return
        if usable:
            reason = OTHER_FORMAT
        elif self._ledger.is_accepted(file_id):
            reason = self._ledger.why_stale(delivery.source, file_id) or CHANGED_SETTINGS
        else:
            reason = NEW_FILE
        self._pending[file_id] = Pending(admitted, [delivery], reason)
        crash_points.reached("ingest: file admitted")
        if not is_small(admitted):
            self._read_pending()

    def _record_again(self) -> None:
        """Record the paths of redelivered contents."""
        again, self._again = self._again, []
        self._recorder.redelivered(again)

    def _fits_pending(self, admitted: Admitted) -> bool:
        """Whether a file can be read together with the pending files."""
        if not self._pending:
            return True
        others = [pending.admitted for pending in self._pending.values()]
        return (
            others[0].reading_group == admitted.reading_group
            and all(map(is_small, [*others[:1], admitted]))
            and len(others) < MOST_FILES_TOGETHER
            and sum(other.byte_count for other in others) + admitted.byte_count <= MOST_BYTES_TOGETHER
        )

    def _read_pending(self) -> Sequence[Reading | Exception]:
        """Read all pending files and commit them to the store in one transaction."""
        self._record_again()
        pending, self._pending = list(self._pending.values()), {}
        if not pending:
            return ()
        first = pending[0].admitted
        if self._visitor_key is None:
            self._make_visitor_key()
        rules = self._rules_of(first.source, first.preset)
        readings = self._reader.read([one.admitted for one in pending])
        if self._erasures.kinds(rules.site):
            ids = [one.admitted.file_id for one in pending]
            found = {file_id: each for file_id, each in zip(ids, readings, strict=True) if isinstance(each, Reading)}
            left = all_without_erased(found, self._erasures, rules.site)
            readings = [left.get(file_id, each) for file_id, each in zip(ids, readings, strict=True)]
        crash_points.reached("ingest: file read")
        taken = [
            self._recorder.taken(one, reading, rules)
            for one, reading in zip(pending, readings, strict=True)
            if isinstance(reading, Reading)
        ]
        self._recorder.commit(taken)
        for one, reading in zip(pending, readings, strict=True):
            for delivery in one.deliveries:
                if isinstance(reading, StillWrittenError):
                    self._counts["unsettled_count"] += 1
                elif not isinstance(reading, Reading):
                    self._recorder.not_read(delivery, self._rules_of(delivery.source), reading, one.admitted.file_id)
        return readings


def refuse_unreadable(folder: DataFolder, store: Store, partition: Partition) -> None:
    """Check, before rows of a delivered file are marked as damaged, that the file can replace unreadable ones.

    The disk may be able to read the rows later. The mark would stay, and they would not be used any more.

    Raises:
        StoreError: The disk cannot read the rows, and the delivered file is gone or cannot be read either.
    """
    if not store.is_unreadable(partition):
        return
    file_id = partition.key.file_id
    facts = store.catalog.source_files()[file_id].facts
    for path in store.catalog.paths_of(file_id):
        # The path can have other content now.
        found = id_of_content(folder.raw / path, root=folder.raw, source=facts["source"], scratch=store.scratch)
        if found == file_id:
            return
    raise StoreError(
        f"{partition.key}: the disk cannot read {store.path_of(partition)} (Input/output error), and the delivered"
        f" file {facts['path']} is missing or cannot be read; check the disk and run again, or deliver the file again"
        " under raw/"
    )
