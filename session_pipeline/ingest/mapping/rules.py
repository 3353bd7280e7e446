"""Defines how the files of one source are read: fields, constants, time zone, and what is not stored.

settings/ reads the settings file and source_rules.py creates the rules from it; reading/read.py applies them.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from hashlib import sha256

from session_pipeline.ingest.formats import Parquet, format_named
from session_pipeline.ingest.formats.layout import Layout
from session_pipeline.ingest.formats.separated import Csv, Tsv
from session_pipeline.ingest.mapping.visitors import VisitorKey
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS, REQUIRED_COLUMNS
from session_pipeline.reference.days import ONE_DAY, zone
from session_pipeline.reference.user_agents import lists_fingerprint
from session_pipeline.tables import table

LOGIC_VERSION = 26  # version of what the Python and SQL of ingest do; a test pins the source that it represents
TABLES = (Csv.name, Tsv.name, Parquet.name)  # formats in which an object or a list can only be text, or often is
FIELD_OF_LINE = re.compile(r"->>\s*'((?:[^']|'')*)'")
NEVER = datetime(1, 1, 1)
LATER_RULES = (
    "expressions", "events", "event_names", "key_values", "header", "records_in", "events_in", "json_fields",
    "null_values", "drop_fields", "decimal_comma", "request", "has_keyed_users", "has_reduced_agents",
    "agent_patterns", "hash_properties", "time_format", "escape", "plain_users", "json_columns",
)  # fmt: skip


@dataclass(frozen=True)
class ReadingRules:
    """How the files of a source are read.

    Attributes:
        source: Folder under raw/.
        earliest: First accepted instant, naive UTC: the start of the first day.
        site: Site of its visitors.
        format: jsonl, csv, tsv, parquet, access_log or w3c; None: the format given by the file name.
        columns: Field name in the source, by our column name, where they differ; of several, the first with a value. In
            JSON and Parquet, a dot separates the keys of nested objects: 'user.id'.
        constants: Value, by our column name, for lines that have no value in the column.
        timezone: Time zone of times without an offset; None: UTC.
        clock_tolerance_minutes: How much later than received_at an event may be.
        delimiter: Field separator; None: detected from the header of a CSV, a tab in a TSV.
        log_format: Line format of an access log: the name of a known format, or directives.
        visitor_address: Field with the IP address from which visitor ids are derived where lines have none; of several,
            the first with an address. None: lines without a visitor id are quarantined.
        host: Host of the pages of an access log that does not contain the host; None: unknown.
        visitor_key: Key from which visitor ids are derived where lines have none; None until a file needs it.
        keep_query_parameters: Query parameters that are kept in page_url and referrer.
        drop_properties: Keys that are not stored, in any spelling. A name that begins with * also matches longer keys
            that end in it.
        latest: First instant that is no longer accepted, naive UTC.
        expressions: SQL of a value, by our column name. Where it is null, the column's fields and constant are used.
        events: Our name of an event and the condition on its line, in order; the first condition that holds counts.
        event_names: Our name by the source's name, for events that meet no condition.
        key_values: Fields with a list of keys and values, which are read as objects.
        header: Names of the fields of a CSV or TSV without a header; see Layout.
        records_in: Path of keys to the list that contains the records of a JSON value; see Layout.
        events_in: Field with a list of events. A line gives an event for each element, which replaces the list.
        json_fields: Fields whose text is JSON. They are read as objects and lists.
        null_values: Texts that mean that a field has no value.
        drop_fields: Fields that are not stored.
        decimal_comma: Whether values in texts are written as 1.234,56.
        request: Fields that describe the request of a web server's log line, by part. With it, event name and page
            follow from the request, as in an access log.
        has_keyed_users: Whether user ids are stored as keyed hashes.
        plain_users: User ids that name nobody. With has_keyed_users, they are stored as they are, not as hashes.
        has_reduced_agents: Whether user agents of people are stored reduced.
        agent_patterns: Patterns of user agents that are stored as they are, because rules of bots look at them.
        hash_properties: Keys whose values are stored as keyed hashes, in the spellings of drop_properties.
        time_format: Format of event_time, as in local_times.py, if it is in no notation that is known.
        escape: The character that makes the next character of a TSV part of a value; see Layout.
        json_columns: Columns of CSV, TSV and Parquet files whose text is JSON. They are read as objects and lists. In
            JSON lines, they are fields like all others, so that no time is spent on them.
    """

    source: str
    earliest: datetime
    site: str = "main"
    format: str | None = None
    columns: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    clock_tolerance_minutes: int = 60
    delimiter: str | None = None
    log_format: str = "combined"
    visitor_address: str | tuple[str, ...] | None = None
    host: str | None = None
    visitor_key: VisitorKey | None = None
    keep_query_parameters: tuple[str, ...] = ()
    drop_properties: tuple[str, ...] = ()
    latest: datetime = datetime(2101, 1, 1)
    expressions: Mapping[str, str] = field(default_factory=dict)
    events: tuple[tuple[str, str], ...] = ()
    event_names: Mapping[str, str] = field(default_factory=dict)
    key_values: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    records_in: str | None = None
    events_in: str | None = None
    json_fields: tuple[str, ...] = ()
    null_values: tuple[str, ...] = ()
    drop_fields: tuple[str, ...] = ()
    decimal_comma: bool = False
    request: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    has_keyed_users: bool = False
    has_reduced_agents: bool = False
    agent_patterns: tuple[str, ...] = ()
    hash_properties: tuple[str, ...] = ()
    time_format: str | None = None
    escape: str | None = None
    plain_users: tuple[str, ...] = ()
    json_columns: tuple[str, ...] = ()

    @cached_property
    def layout(self) -> Layout:
        """How files are split into records, and how their columns are named."""
        return Layout(
            self.delimiter,
            self.header,
            self.records_in,
            self._asked(),
            self._needed(),
            self.escape,
            self.decimal_comma,
        )

    def changes_lines(self, format: str) -> bool:
        """Whether lines of files of this format are changed as JSON before their fields are read; see reshape.py."""
        return bool(self.json_fields_of(format) or self.events_in or self.key_values)

    def json_fields_of(self, format: str) -> tuple[str, ...]:
        """The fields of files of this format whose text is JSON."""
        return (*self.json_fields, *self.json_columns_of(format))

    def json_columns_of(self, format: str) -> tuple[str, ...]:
        """The columns of files of this format whose text is JSON; none if it has no columns."""
        return self.json_columns if format in TABLES else ()

    def _asked(self) -> tuple[str, ...]:
        """The names of all fields that are read or removed. Of a name with dots, its first key is a name, too."""
        names = [name for ours in DELIVERED_COLUMNS for name in self.fields_of(ours)]
        names += [*self.addresses, *self.drop_fields, *self.json_fields, *self.json_columns]
        names += [*self.key_values, self.events_in or ""]
        for found in self.request.values():
            names += [found] if isinstance(found, str) else found
        for text in (*self.expressions.values(), *(where for _, where in self.events)):
            names += _fields_in(text)
        return tuple(dict.fromkeys(each for name in names for each in (name, name.split(".")[0]) if each))

    def _needed(self) -> tuple[tuple[str, ...], ...]:
        """The names of fields of each column that every event needs and that has no other origin than its fields."""
        others = {*self.constants, *self.expressions}
        others |= {"visitor_id"} if self.addresses else set()
        others |= {"event_name"} if self.request or self.events else set()
        return tuple(
            tuple(each for name in self.fields_of(ours) for each in (name, name.split(".")[0]))
            for ours in REQUIRED_COLUMNS
            if ours not in others
        )

    @property
    def addresses(self) -> tuple[str, ...]:
        """The fields with the address of the visitor, in order."""
        given = self.visitor_address or ()
        return (given,) if isinstance(given, str) else given

    def fields_of(self, ours: str) -> tuple[str, ...]:
        """The fields of a column, in order: its own name if the settings name none; empty if it has no field."""
        theirs = self.columns.get(ours, ours)
        return (theirs,) if isinstance(theirs, str) else theirs

    def all_fields_of(self, ours: str) -> tuple[str, ...]:
        """The fields of a column, and the fields that its expression reads."""
        return (*self.fields_of(ours), *_fields_in(self.expressions.get(ours, "")))

    @property
    def protected_columns(self) -> tuple[str, ...]:
        """The columns whose fields can hold a text that is stored only keyed or reduced.

        Many tools write the user id also into the field of the visitor id, so that its fields can hold one, too.
        """
        users = ("user_id", "visitor_id") if self.has_keyed_users else ()
        return (*users, "user_agent") if self.has_reduced_agents else users

    def way(self, name: str, format: str) -> list[str]:
        """The path of keys to a field. A dot separates keys in JSON and Parquet, and after a field of JSON text."""
        for outer in () if format_named(format).is_nested else self.json_fields_of(format):
            if name.startswith(f"{outer}."):
                return [outer, *name.removeprefix(f"{outer}.").split(".")]
        return name.split(".") if format_named(format).is_nested else [name]

    def ways(self, name: str, format: str) -> list[list[str]]:
        """The paths of keys at which a field can be. A CSV without a column of JSON text can have one for each field.

        For properties.url, this is the member url of the column properties, or the column properties.url.
        """
        way = self.way(name, format)
        return [way] if len(way) == 1 or format_named(format).is_nested else [way, [name]]

    @property
    def local_clock(self) -> tuple[list[datetime], list[int]]:
        """The UTC offsets of the time zone: local times at which an offset starts, and the offsets in seconds.

        Both lists are empty for UTC.
        """
        if self.timezone in (None, "UTC"):
            return [], []
        starts, offsets = _local_clock(str(self.timezone), self.earliest, self.latest)
        return list(starts), list(offsets)

    def uses_key(self, format: str) -> bool:
        """Whether values of files of this format are hashed with the key, whatever the lines are."""
        return self.makes_visitors(format) or self.has_keyed_users or bool(self.hash_properties)

    def makes_visitors(self, format: str) -> bool:
        """Whether visitor ids of files of this format are derived with the key. No format is the empty text."""
        return self.visitor_address is not None or (format != "" and format_named(format).has_own_visitors)

    def fingerprint(self, format: str, *, is_keyed: bool = False) -> str:
        """Hash everything besides its content that the rows of a file depend on.

        Args:
            format: The format that the file is read as, from the settings or from its name.
            is_keyed: Whether the key was needed for lines of the file.
        """
        return self._fingerprints[is_keyed or self.uses_key(format)]

    def gave(self, fingerprint: str) -> bool:
        """Whether a file with this fingerprint was read with these rules."""
        return fingerprint in self._fingerprints

    @cached_property
    def _fingerprints(self) -> tuple[str, str]:
        """The fingerprints of files that do not use the visitor key and of files that do.

        The key itself is not included, only its fingerprint.
        """
        shapes = [table(name).shape for name in ("raw_events", "quarantined_lines")]
        given = {name: value for name, value in vars(self).items() if name in RULES and name != "visitor_key"}
        # Rules of later versions do not count while they are empty, so that files are not read again for them.
        given = {name: value for name, value in given.items() if value or name not in LATER_RULES}
        # A newer list of bots keeps user agents that an older one reduced.
        lists = [lists_fingerprint()] if self.has_reduced_agents else []
        parts = [LOGIC_VERSION, shapes, given, self.local_clock, *lists]
        keyed = [*parts, self.visitor_key and self.visitor_key.fingerprint]
        without, with_key = (
            sha256(json.dumps(each, sort_keys=True, default=str).encode()).hexdigest() for each in (parts, keyed)
        )
        return without, with_key


def _fields_in(text: str) -> list[str]:
    """Return the names of the fields of the line that an expression or a condition reads."""
    return [name.replace("''", "'") for name in FIELD_OF_LINE.findall(text)]


RULES = frozenset(each.name for each in fields(ReadingRules))


@lru_cache(maxsize=16)
def _local_clock(timezone: str, earliest: datetime, latest: datetime) -> tuple[tuple[datetime, ...], tuple[int, ...]]:
    """Return the local times at which the offset of a time zone changes, and the offset from each of them on.

    A local time that occurs twice means the first occurrence. A local time that the clocks skip is read with the offset
    before the change (PEP 495, fold=0). In both cases, an offset is valid until its last local time.
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
    """Return the second at which the offset changes between two instants with different offsets."""
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if offset(middle) == offset(before):
            before = middle
        else:
            after = middle
    return after
