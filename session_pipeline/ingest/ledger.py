"""Decides which delivered files must be read, by comparing the catalog with what is under raw/ now.

Equal content in the same source is one file, whatever its names are. Its format comes from the settings of the source,
otherwise from its current names. If the names give several formats, the one that accepts the most lines is used.

A file that this process was not allowed to read, or that the disk could not read, is read when it can be.

This module reads no files, except to see whether the disk can read them now; deliveries.py admits and reads them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from session_pipeline.errors import RefusedFileError, UnreadableFileError
from session_pipeline.ingest.admission.admit import NO_PERMISSION, can_be_read, may_be_read
from session_pipeline.ingest.admission.file_names import kind_of
from session_pipeline.ingest.admission.raw_folder import Delivery
from session_pipeline.ingest.formats import preference
from session_pipeline.ingest.mapping.rule_changes import CHANGED_SETTINGS, what_changed
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.store.catalog import Catalog
from session_pipeline.store.file_facts import FileFacts
from session_pipeline.store.records import Key, Partition, SourceFile

NO_FORMAT = ""  # the name gives no format, so the file is refused
NEW_FILE = "new file"
NOW_PERMITTED = "its permissions let it be read now"
NOW_READABLE = "the disk can read it now"
OTHER_FORMAT = "its name gives another format"
DAMAGED_ROWS = "its rows in the store are damaged"


RulesOf = Callable[[str, str | None], ReadingRules]


class Ledger:
    """The delivered files of a store.

    Attributes:
        files: The files of the ledger, by file id.
        known: The last seen stamp and file id of each path, by path.
        there: The paths that have a content now, each with the format that it gives, by file id.
        keys: The partitions of a file, by file id.
    """

    def __init__(self, catalog: Catalog, partitions: Mapping[Key, Partition], rules_of: RulesOf) -> None:
        """Load the ledger from the catalog.

        Args:
            catalog: The catalog of the store.
            partitions: The partitions of the store.
            rules_of: Returns the reading rules of a source and a recognized preset.
        """
        self.files = catalog.source_files()
        self.known = catalog.delivered()
        self.there: dict[str, dict[str, str]] = defaultdict(dict)
        self.keys: dict[str, set[Key]] = defaultdict(set)
        for key in partitions:
            if key.file_id:
                self.keys[key.file_id].add(key)
        self._partitions = partitions
        self._rules_of = rules_of

    def look(self, found: Iterable[Delivery]) -> None:
        """Register what is under raw/ now."""
        self.there.clear()
        for delivery in found:
            stamp, file_id = self.known.get(delivery.name, ("", ""))
            if stamp == delivery.stamp:
                self.there[file_id][delivery.name] = self.format_of(delivery)

    def format_of(self, delivery: Delivery) -> str:
        """Return the format of a delivery: from the settings of its source, otherwise from its name."""
        _, file_id = self.known.get(delivery.name, ("", ""))
        try:
            return kind_of(delivery.location, self._rules(delivery.source, file_id).format)[0]
        except RefusedFileError:
            return NO_FORMAT

    def _rules(self, source: str, file_id: str) -> ReadingRules:
        """Return the reading rules of a content, with the preset that it was recognized as."""
        file = self.files.get(file_id)
        return self._rules_of(source, file.facts.get("preset") if file is not None else None)

    def is_accepted(self, file_id: str) -> bool:
        """Whether a file is in the ledger and its lines were read."""
        return file_id in self.files and self.files[file_id].facts["status"] == "accepted"

    def why_read(self, delivery: Delivery) -> str | None:
        """Return why a delivery must be read; None if reading it would change nothing."""
        stamp, file_id = self.known.get(delivery.name, ("", ""))
        if stamp != delivery.stamp:
            return "changed since it was read" if stamp else NEW_FILE
        reason = self._why_not_read(file_id)
        if NO_PERMISSION in reason and may_be_read(delivery.path):
            return NOW_PERMITTED  # another user runs this, or the user is in another group: neither changes the stamp
        if UnreadableFileError.REASON in reason and can_be_read(delivery.path):
            return NOW_READABLE
        return self.why_stale(delivery.source, file_id)

    def _why_not_read(self, file_id: str) -> str:
        """Return why a file was not read; empty if it was. Some reasons can pass without a change of the file."""
        file = self.files.get(file_id)
        return file.facts["reason"] or "" if file is not None else ""

    def why_stale(self, source: str, file_id: str) -> str | None:
        """Return why the stored rows of a content are stale; None if they are not."""
        file = self.files.get(file_id)
        if file is None:
            return CHANGED_SETTINGS
        rules = self._rules(source, file_id)
        if not rules.gave(file.fingerprint):
            return what_changed(file.facts, rules)
        if any(self._partitions[key].is_damaged for key in self.keys[file_id]):
            return DAMAGED_ROWS
        if file.facts["status"] != "accepted":
            return None
        there = set(self.there[file_id].values())
        return None if file.facts["format"] in there and there <= set(file.facts["formats"]) else OTHER_FORMAT

    def is_usable(self, source: str, file_id: str) -> bool:
        """Whether the recorded rows of a content are valid, apart from formats still to be compared."""
        if not self.is_accepted(file_id):
            return False
        chosen = self.files[file_id].facts["format"]
        return self.why_stale(source, file_id) in (None, OTHER_FORMAT) and chosen in self.there[file_id].values()

    def readable(self) -> Iterator[tuple[str, str]]:
        """Yield the id and format of each content whose rows need not be read again in that format."""
        for file_id, file in self.files.items():
            if self.is_accepted(file_id) and self.why_stale(file.facts["source"], file_id) in (None, OTHER_FORMAT):
                yield file_id, file.facts["format"]

    def outdated(self, found: Iterable[Delivery]) -> set[str]:
        """Return the ids of refused and corrupt files whose path now has other content or no file."""
        names = {delivery.name for delivery in found}
        current = {file_id for name, (_, file_id) in self.known.items() if name in names}
        return {file_id for file_id in self.files if not self.is_accepted(file_id)} - current

    def forget(self, file_id: str) -> None:
        """Remove a file from this object, as a commit removes it from the catalog."""
        self.files.pop(file_id, None)
        self.keys.pop(file_id, None)


def is_better(facts: FileFacts, other: SourceFile) -> bool:
    """Whether a reading in one format replaces the recorded reading in another format."""
    return _merit(facts) > _merit(other.facts)


def _merit(facts: FileFacts) -> tuple[int, int]:
    return facts["accepted_count"], -preference(facts["format"])
