"""How the files of one source are read: fields, constants, clock, and what is not kept.

Knows what a source may be told. Does not read the settings file, and no data.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from hashlib import sha256

from session_pipeline.ingest.visitors import VisitorKey
from session_pipeline.reference.days import ONE_DAY, zone
from session_pipeline.tables import table

LOGIC_VERSION = 4  # of what this folder's Python and SQL do; a test pins the source that it stands for
NEVER = datetime(1, 1, 1)
ACCESS_LOG = "access_log"


@dataclass(frozen=True)
class ReadingRules:
    """How the files of a source are read.

    Attributes:
        source: Folder under raw/.
        site: Site that its visitors were on.
        format: jsonl, csv, tsv, parquet or access_log; None: by file name.
        columns: Ours = theirs, where the names differ. In JSON, dots lead into objects: 'user.id'.
        constants: Ours = value, for lines that do not say it.
        timezone: Zone of times without an offset; None: UTC.
        clock_tolerance_minutes: How much later than received_at an event may be.
        delimiter: What separates fields; None: what the header of a CSV says, a tab in a TSV.
        log_format: How the lines of an access log are made: the name of a known format, or directives.
        visitor_address: Field with the address that visitors without an id are made of; None: they are set aside.
        host: Host of the pages of an access log that does not say it; None: unknown.
        visitor_key: What visitor ids are made with where lines have none; None as long as nobody needed it.
        keep_query_parameters: Query parameters that stay in page_url and referrer.
        drop_properties: Keys that are not stored, in any spelling; with * in front also the end of longer keys.
        earliest: First instant that is taken, naive UTC: the start of the first day.
        latest: First instant that is not taken any more, naive UTC.
    """

    source: str
    earliest: datetime
    site: str = "main"
    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    clock_tolerance_minutes: int = 60
    delimiter: str | None = None
    log_format: str = "combined"
    visitor_address: str | None = None
    host: str | None = None
    visitor_key: VisitorKey | None = None
    keep_query_parameters: tuple[str, ...] = ()
    drop_properties: tuple[str, ...] = ()
    latest: datetime = datetime(2101, 1, 1)

    @property
    def local_clock(self) -> tuple[list[datetime], list[int]]:
        """From which local time on which offset in seconds holds; nothing for UTC."""
        if self.timezone in (None, "UTC"):
            return [], []
        starts, offsets = _local_clock(str(self.timezone), self.earliest, self.latest)
        return list(starts), list(offsets)

    def makes_visitors(self, format: str) -> bool:
        """Whether the visitors of a file of some format are made with the key."""
        return format == ACCESS_LOG or self.visitor_address is not None

    def fingerprint(self, format: str) -> str:
        """Hash of all that the rows of a file depend on besides its content.

        Args:
            format: What it is read as, which the file's name can say, too.
        """
        return self._fingerprints[self.makes_visitors(format)]

    def gave(self, fingerprint: str) -> bool:
        """Whether a file with this fingerprint was read by these rules."""
        return fingerprint in self._fingerprints

    @cached_property
    def _fingerprints(self) -> tuple[str, str]:
        """Of files without and with the key, which itself goes nowhere."""
        shapes = [table(name).shape for name in ("raw_events", "quarantined_lines")]
        given = {name: value for name, value in vars(self).items() if name in RULES and name != "visitor_key"}
        said = [LOGIC_VERSION, shapes, given, self.local_clock]
        keyed = [*said, self.visitor_key and self.visitor_key.fingerprint]
        without, with_key = (
            sha256(json.dumps(each, sort_keys=True, default=str).encode()).hexdigest() for each in (said, keyed)
        )
        return without, with_key


RULES = frozenset(each.name for each in fields(ReadingRules))


@lru_cache(maxsize=16)
def _local_clock(timezone: str, earliest: datetime, latest: datetime) -> tuple[tuple[datetime, ...], tuple[int, ...]]:
    """Where the offset of a zone changes, in local time, and what it is from there on.

    A local time that happens twice is the first of the two; one that is skipped is read as if the clocks had not yet
    been put forward (PEP 495, fold=0). Both mean that an offset holds until its last local time.
    """
    rules = zone(timezone)

    def offset(instant: datetime) -> timedelta:
        return instant.replace(tzinfo=UTC).astimezone(rules).utcoffset() or timedelta()

    before = earliest - 2 * ONE_DAY
    starts, offsets = [NEVER], [offset(before)]
    while before < latest + 2 * ONE_DAY:
        after = before + ONE_DAY
        if offset(after) != offsets[-1]:
            changed = _first_change(before, after, offset)
            starts.append(changed + max(offsets[-1], offset(after)))
            offsets.append(offset(after))
        before = after
    return tuple(starts), tuple(int(each.total_seconds()) for each in offsets)


def _first_change(before: datetime, after: datetime, offset: Callable[[datetime], timedelta]) -> datetime:
    """The second at which an offset that differs between two instants changes."""
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if offset(middle) == offset(before):
            before = middle
        else:
            after = middle
    return after
