"""Delivers events to the raw folder: one file per day, with some lines late, duplicated or invalid.

Simulates what can go wrong between a browser and a file. visits.py decides the sessions, walk.py the events.
"""

import csv
import json
from collections import defaultdict
from datetime import datetime, timedelta
from io import StringIO
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from session_pipeline.sample import shop
from session_pipeline.sample.odds import once_in, skewed
from session_pipeline.sample.times import DAY, SECOND, date_text, time_text
from session_pipeline.sample.visitors import Visitor
from session_pipeline.sample.visits import Visit
from session_pipeline.sample.walk import Event
from session_pipeline.sample.writing import whole_file

LONGEST_LATENCY = 2 * SECOND
"""The longest time that an event takes from the browser to the collector, if it is not late."""

Fields = dict[str, Any]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_CONTACT_COLUMNS = "event_id,visitor_id,user_id,event_time,received_at,event_name,page_url,user_agent,topic"
_BACK_OFFICE_OFFSET = 120  # minutes; the back office writes its local time


class DeliveredFile(NamedTuple):
    """The counts of a delivered file. `lines` counts records, so it does not include the header of a CSV."""

    name: str
    lines: int
    accepted: int
    set_aside: int


class _Line(NamedTuple):
    delivered_at: int
    serial: int
    text: str
    is_spoiled: bool


class Deliveries:
    """Collects the lines of visits by the day on which they are delivered, and writes the files of each day.

    Web events are JSON lines. Contact form messages come from the back office, as CSV.
    """

    def __init__(self, chance: Random, folder: Path, end: int) -> None:
        """Prepare deliveries to the folder. Nothing is delivered at or after `end`."""
        self._chance = chance
        self._folder = folder
        self._end = end
        self._lines: dict[int, list[_Line]] = defaultdict(list)
        self._contacts: dict[int, list[_Line]] = defaultdict(list)
        self._serial = 0
        self._late_visits = once_in(160, first=30)
        self._copied = once_in(500, first=100)
        self._redelivered = once_in(500, first=300)
        self._spoiled = once_in(500, first=200)
        self._ways_to_spoil = cycle(_WAYS_TO_SPOIL)
        self.duplicate_count = 0
        self.files: list[DeliveredFile] = []

    def add(self, visit: Visit) -> None:
        """Add the lines of the visit's events."""
        visitor, events = visit.visitor, visit.events
        late_from, delay = self._lateness(visit)
        latency = 0
        for index, event in enumerate(events):
            # Events with equal times are delivered together, so that the order of their lines is the order of the
            # events. A visitor with sequence numbers does not need that.
            if visitor.has_sequence or not _follows_at_once(events, index):
                latency = skewed(self._chance, 60, LONGEST_LATENCY)
            received_at = event.time + latency + (delay if index >= late_from else 0)
            if event.name == "contact":
                row = _contact_row(visitor, event, received_at)
                self._contacts[received_at // DAY].append(self._line(received_at, row))
                continue
            fields = _fields(visitor, event, received_at)
            text = _encode(fields)
            self._put(received_at, text)
            # No copies of such events: the pipeline could keep a copy from another file, which would change the order.
            if not (_follows_at_once(events, index) or _follows_at_once(events, index + 1)):
                self._mishaps(received_at, text, fields)

    def write_day(self, day: int) -> None:
        """Write the files of a day. All lines that are delivered on the day must have been added."""
        self._write(f"events-{date_text(day)}.jsonl.gz", self._lines.pop(day, []))
        if day in self._contacts:
            name = f"contact-forms-{date_text(day)}.csv"
            self._write(name, self._contacts.pop(day), _CONTACT_COLUMNS)

    def _write(self, name: str, lines: list[_Line], header: str | None = None) -> None:
        with whole_file(self._folder / name) as file:
            if header is not None:
                file.write(f"{header}\n")
            file.writelines(f"{line.text}\n" for line in sorted(lines))
        spoiled = sum(line.is_spoiled for line in lines)
        self.files.append(DeliveredFile(name, len(lines), len(lines) - spoiled, spoiled))

    def _lateness(self, visit: Visit) -> tuple[int, int]:
        """Return the index of the first event that a lost connection delays, and the delay in milliseconds."""
        events = visit.events
        never = (len(events), 0)
        if not next(self._late_visits):
            return never
        delay = skewed(self._chance, DAY, 3 * DAY)
        if events[-1].time + delay + LONGEST_LATENCY >= self._end:
            return never
        index = int(self._chance.random() * len(events))
        while _follows_at_once(events, index):
            index -= 1
        return index, delay

    def _mishaps(self, received_at: int, text: str, fields: Fields) -> None:
        """Sometimes add an exact copy, in this file or in the next day's, or an additional invalid line."""
        if next(self._copied):
            self._copy(received_at + skewed(self._chance, 0, SECOND), text)
        if next(self._redelivered):
            self._copy(received_at + DAY, text)
        if next(self._spoiled):
            spoil = next(self._ways_to_spoil)
            text = spoil(fields | {"event_id": f"{fields['event_id']}-x"})
            self._put(received_at, text, is_spoiled=True)

    def _copy(self, delivered_at: int, text: str) -> None:
        if delivered_at < self._end:
            self.duplicate_count += 1
            self._put(delivered_at, text)

    def _put(self, delivered_at: int, text: str, *, is_spoiled: bool = False) -> None:
        line = self._line(delivered_at, text, is_spoiled=is_spoiled)
        self._lines[delivered_at // DAY].append(line)

    def _line(self, delivered_at: int, text: str, *, is_spoiled: bool = False) -> _Line:
        self._serial += 1
        return _Line(delivered_at, self._serial, text, is_spoiled)


def _follows_at_once(events: list[Event], index: int) -> bool:
    return 0 < index < len(events) and events[index].time == events[index - 1].time


def _fields(visitor: Visitor, event: Event, received_at: int) -> Fields:
    fields: Fields = {"event_id": visitor.event_id(event.number), "visitor_id": visitor.visitor_id}
    if event.user_id:
        fields["user_id"] = event.user_id
    fields["event_time"] = time_text(event.time, visitor.offset_minutes)
    fields["received_at"] = time_text(received_at)
    if visitor.has_sequence:
        fields["sequence"] = event.number
    fields["event_name"] = event.name
    fields["page_url"] = event.page.url
    fields["page_title"] = event.page.title
    fields |= event.fields
    if event.value_cents is not None:
        fields["value"] = event.value_cents / 100
        fields["currency"] = shop.CURRENCY
    fields["user_agent"] = visitor.user_agent
    if visitor.variant:
        fields["properties"] = {"variant": visitor.variant, **event.properties}
    return fields


def _contact_row(visitor: Visitor, event: Event, received_at: int) -> str:
    row = StringIO()
    csv.writer(row, lineterminator="").writerow(
        (
            visitor.event_id(event.number),
            visitor.visitor_id,
            event.user_id,
            time_text(event.time, _BACK_OFFICE_OFFSET),
            time_text(received_at),
            event.name,
            event.page.url,
            visitor.user_agent,
            event.properties["topic"],
        )
    )
    return row.getvalue()


def _cut_short(fields: Fields) -> str:
    text = _encode(fields)
    return text[: len(text) // 2]


def _without_visitor(fields: Fields) -> str:
    return _encode({name: value for name, value in fields.items() if name != "visitor_id"})


def _with_no_time(fields: Fields) -> str:
    return _encode(fields | {"event_time": "yesterday"})


def _from_the_future(fields: Fields) -> str:
    """Return a line from a device whose clock is days ahead: the event time is long after the receive time."""
    event_time = datetime.fromisoformat(fields["received_at"]) + timedelta(days=5)
    return _encode(fields | {"event_time": event_time.isoformat(timespec="milliseconds")})


_WAYS_TO_SPOIL = (_cut_short, _without_visitor, _with_no_time, _from_the_future)
