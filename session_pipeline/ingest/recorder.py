"""Records in the store what became of delivered files: their rows, their paths, or why they were not read.

taken.py computes what is recorded; deliveries.py decides when.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from session_pipeline.errors import CorruptFileError, RefusedFileError, UnreadableFileError
from session_pipeline.ingest.admission.admit import id_of_content
from session_pipeline.ingest.admission.raw_folder import Delivery
from session_pipeline.ingest.ledger import Ledger, is_better
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.reading.result import Reading
from session_pipeline.ingest.taken import (
    Pending,
    Seen,
    Taken,
    facts_of,
    frozen_rows,
    not_read,
    without_frozen_days,
    written_of,
)
from session_pipeline.reference.days import Calendar
from session_pipeline.store import crash_points
from session_pipeline.store.file_facts import FileStatus
from session_pipeline.store.records import SourceFile
from session_pipeline.store.store import Store


class Recorder:
    """Commits to the store, and keeps a ledger and the counts of one ingest in step with it."""

    def __init__(
        self, raw: Path, store: Store, ledger: Ledger, counts: Counter[str], *, calendar: Calendar, run_id: str
    ) -> None:
        """Record for one ingest. The caller must hold the write lock of the store.

        Args:
            raw: The folder with the delivered files.
            store: The store.
            ledger: Its ledger, which is kept up to date.
            counts: What is counted, by the names of `IngestSummary`.
            calendar: The calendar of the settings.
            run_id: The run that commits.
        """
        self._raw = raw
        self._store = store
        self._ledger = ledger
        self._counts = counts
        self._calendar = calendar
        self._frozen_before: date | None = store.catalog.frozen_before()
        self._run_id = run_id

    def taken(self, pending: Pending, reading: Reading, rules: ReadingRules) -> Taken:
        """Return what a reading changes in the store.

        If the rows already recorded in another format are better, the only change is that this format was tried.
        """
        admitted = pending.admitted
        fingerprint = rules.fingerprint(admitted.format, is_keyed=reading.is_keyed)
        facts = facts_of(admitted, reading, rules)
        if self._ledger.is_usable(admitted.source, admitted.file_id):
            recorded = self._ledger.files[admitted.file_id]
            facts["formats"] = sorted({*recorded.facts["formats"], admitted.format})
            if not is_better(facts, recorded):
                reading.discard()
                facts = {**recorded.facts, "formats": facts["formats"]}
                return Taken(pending, replace(recorded, facts=facts), None, ())
        reading, expired_count = without_frozen_days(reading, self._calendar, self._frozen_before)
        before = self._ledger.files.get(admitted.file_id)
        if expired_count:
            facts["expired_count"] = expired_count
            known_count = before.facts.get("expired_count", 0) if before is not None else 0
            self._counts["frozen_count"] += max(expired_count - known_count, 0)
        if before is None or not before.facts["accepted_count"]:
            # Rows that were read before can have been built before their day was frozen.
            self._counts["frozen_count"] += frozen_rows(reading, self._calendar, self._frozen_before)
        written = written_of(pending, reading, fingerprint)
        gone = self._ledger.keys[admitted.file_id] - {item.key for item in written}
        return Taken(pending, SourceFile(admitted.file_id, fingerprint, facts), written, sorted(gone))

    def commit(self, taken: Sequence[Taken]) -> None:
        """Commit files that were read, in one transaction."""
        if not taken:
            return
        self._store.commit(
            [item for one in taken for item in one.written or ()],
            run_id=self._run_id,
            drop=[key for one in taken for key in one.drop],
            source_files=[one.file for one in taken],
            **self._seen((delivery, one.file.file_id) for one in taken for delivery in one.pending.deliveries),
        )
        for one in taken:
            was_accepted = self._ledger.is_accepted(one.file.file_id)
            self._ledger.files[one.file.file_id] = one.file
            self._counts["redelivered_count"] += len(one.pending.deliveries) - 1
            if one.written is None:
                self._counts["redelivered_count"] += 1
                continue
            self._counts["reread_count"] += was_accepted
            self._ledger.keys[one.file.file_id] = {item.key for item in one.written}
            self._counts["read_count"] += 1
            self._counts["accepted_count"] += one.file.facts["accepted_count"]
            self._counts["set_aside_count"] += one.file.facts["set_aside_count"]
        crash_points.reached("ingest: file taken")

    def redelivered(self, found: Sequence[tuple[Delivery, str]]) -> None:
        """Record the paths of contents that are in the store already, given with the ids of their contents."""
        if found:
            self._store.commit([], run_id=self._run_id, **self._seen(found))
            self._counts["redelivered_count"] += len(found)

    def forget_outdated(self, found: Sequence[Delivery]) -> None:
        """Remove refused and corrupt files from the ledger if their path now has other content or no file."""
        if outdated := self._ledger.outdated(found):
            self._store.commit([], run_id=self._run_id, forget=outdated)
            for file_id in outdated:
                self._ledger.forget(file_id)

    def not_read(
        self,
        delivery: Delivery,
        rules: ReadingRules,
        error: CorruptFileError | RefusedFileError,
        file_id: str | None = None,
    ) -> None:
        """Record why a delivery was not read.

        Args:
            delivery: The delivery.
            rules: The rules of its source.
            error: The reason.
            file_id: The id of its content; None if it could not be admitted.
        """
        status: FileStatus = "corrupt" if isinstance(error, CorruptFileError) else "refused"
        source_file = not_read(delivery, rules, status, str(error))
        is_unreadable = isinstance(error, UnreadableFileError)  # the disk may be able to read it later
        withdrawn = None if is_unreadable else self._withdrawn(delivery, file_id)
        seen = self._seen([(delivery, source_file.file_id)])
        if withdrawn:
            seen["forget"].append(withdrawn)
        drop = sorted(self._ledger.keys[withdrawn]) if withdrawn else ()
        self._store.commit([], run_id=self._run_id, drop=drop, source_files=[source_file], **seen)
        self._ledger.files[source_file.file_id] = source_file
        self._counts[f"{status}_count"] += 1
        if withdrawn:
            self._ledger.forget(withdrawn)
            self._counts["withdrawn_count"] += 1
        crash_points.reached("ingest: file recorded as not read")

    def _seen(self, found: Iterable[tuple[Delivery, str]]) -> Seen:
        """Return what a commit records for deliveries, given with the ids of their contents.

        Refused and corrupt files that were recorded for the same paths are removed.
        """
        seen = Seen(deliveries=[], forget=[])
        for delivery, file_id in found:
            _, before = self._ledger.known.get(delivery.name, ("", file_id))
            if before != file_id and before in self._ledger.files and not self._ledger.is_accepted(before):
                self._ledger.forget(before)
                seen["forget"].append(before)
            self._ledger.known[delivery.name] = (delivery.stamp, file_id)
            seen["deliveries"].append((delivery.name, file_id, delivery.stamp))
        return seen

    def _withdrawn(self, delivery: Delivery, file_id: str | None) -> str | None:
        """Return the id of the content whose rows are withdrawn because its delivery cannot be read any more.

        None if the content was not accepted before, or if another path still has it.
        """
        if file_id is None:
            stamp, file_id = self._ledger.known.get(delivery.name, ("", ""))
            if stamp != delivery.stamp and self._ledger.is_accepted(file_id):
                root, scratch = self._raw, self._store.scratch
                found = id_of_content(delivery.path, root=root, source=delivery.source, scratch=scratch)
                file_id = file_id if found == file_id else ""
        if not self._ledger.is_accepted(file_id):
            return None
        self._ledger.there[file_id].pop(delivery.name, None)
        return None if self._ledger.there[file_id] else file_id
