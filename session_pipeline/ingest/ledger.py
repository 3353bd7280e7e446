"""Which delivered files must be read: what the catalog knows of them, beside what lies under raw/ now.

A content of a source is one file, under whatever names it lies there. It is read once, as the format that the names
which lie there now (or the settings of the source) give. Where they give several, the one that accepts the most lines
counts. Decides, and reads no file.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

from session_pipeline.errors import RefusedFileError
from session_pipeline.ingest.admit import FORMAT_NAMES, kind_of
from session_pipeline.ingest.raw_folder import Delivery
from session_pipeline.ingest.rules import ReadingRules
from session_pipeline.store.catalog import Catalog, Key, Partition, SourceFile

NO_FORMAT = ""  # of a name that gives none, so that the file is refused
NEW_FILE = "new file"
CHANGED_SETTINGS = "its source's settings changed"
OTHER_FORMAT = "its name gives another format"
DAMAGED_ROWS = "its rows in the store are damaged"


def id_of_refused(source: str, name: str) -> str:
    """The file_id of a delivery that cannot be read, and so is known by its path alone."""
    return sha256(f"{source}\n{name}".encode()).hexdigest()[:32]


class Ledger:
    """The delivered files of a store.

    Attributes:
        files: The files of the ledger, by id.
        known: For each path its stamp and file id, as it was last seen.
        there: For each content, the paths that hold it now, each with the format that it gives.
    """

    def __init__(
        self, catalog: Catalog, partitions: Mapping[Key, Partition], rules_of: Callable[[str], ReadingRules]
    ) -> None:
        """Take the ledger as the catalog has it; `rules_of` gives the rules of a source."""
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
        """Take what lies under raw/ now."""
        self.there.clear()
        for delivery in found:
            stamp, file_id = self.known.get(delivery.name, ("", ""))
            if stamp == delivery.stamp:
                self.there[file_id][delivery.name] = self.format_of(delivery)

    def format_of(self, delivery: Delivery) -> str:
        """The format that the settings of its source give a delivery, otherwise its name."""
        try:
            return kind_of(delivery.path, self._rules_of(delivery.source).format)[0]
        except RefusedFileError:
            return NO_FORMAT

    def is_accepted(self, file_id: str) -> bool:
        """Whether a file is in the ledger, with its lines."""
        return file_id in self.files and self.files[file_id].facts["status"] == "accepted"

    def why_read(self, delivery: Delivery) -> str | None:
        """Why a delivery must be read; None if the ledger has what it would give."""
        stamp, file_id = self.known.get(delivery.name, ("", ""))
        if stamp != delivery.stamp:
            return "changed since it was read" if stamp else NEW_FILE
        return self.why_stale(delivery.source, file_id)

    def why_stale(self, source: str, file_id: str) -> str | None:
        """Why the rows of a content are not what they would be now; None if they are."""
        file = self.files.get(file_id)
        if file is None or not self._rules_of(source).gave(file.fingerprint):
            return CHANGED_SETTINGS
        if any(self._partitions[key].is_damaged for key in self.keys[file_id]):
            return DAMAGED_ROWS
        if file.facts["status"] != "accepted":
            return None
        there = set(self.there[file_id].values())
        return None if file.facts["format"] in there and there <= set(file.facts["formats"]) else OTHER_FORMAT

    def is_usable(self, source: str, file_id: str) -> bool:
        """Whether what is recorded of a content stands, and only other formats may have to be compared with it."""
        if not self.is_accepted(file_id):
            return False
        chosen = self.files[file_id].facts.get("format")
        return self.why_stale(source, file_id) in (None, OTHER_FORMAT) and chosen in self.there[file_id].values()

    def outdated(self, found: Iterable[Delivery]) -> set[str]:
        """Refused and corrupt files whose path now holds something else, or nothing."""
        names = {delivery.name for delivery in found}
        current = {file_id for name, (_, file_id) in self.known.items() if name in names}
        return {file_id for file_id in self.files if not self.is_accepted(file_id)} - current

    def forget(self, file_id: str) -> None:
        """Remove a file, as the catalog does."""
        self.files.pop(file_id, None)
        self.keys.pop(file_id, None)


def is_better(facts: Mapping[str, Any], other: SourceFile) -> bool:
    """Whether a reading of a content in one format is to be kept instead of the one that is recorded."""
    return _merit(facts) > _merit(other.facts)


def _merit(facts: Mapping[str, Any]) -> tuple[int, int]:
    return facts["accepted_count"], -FORMAT_NAMES.index(facts["format"])
