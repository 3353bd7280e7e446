"""Remembers the state in which the plan was empty, so that the next plan compares only days that a change can affect.

A plan compares each day of each table with what it was built from. In a long history almost all days are as they were.
Here, the state of each date is a hash. A day is left out if no date that it can depend on has another hash, that is, if
it is further from the first changed date than its tables can read ahead. Days never depend on what comes later than
that. Outdated days, which wait for an upgrade, are remembered with their reasons. planner.py computes the plan.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from session_pipeline.store.files import digest
from session_pipeline.store.records import Key, Partition
from session_pipeline.tables import table
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Input, Step
from session_pipeline.tables.steps import STEP_OF_TABLE, is_built, steps_of

HASH_BYTES = 8
WITHOUT_LIMIT = 10_000_000  # more days than a calendar has


@dataclass(frozen=True)
class Known:
    """A state in which the plan was empty.

    Attributes:
        code: The hash of what all days depend on: the version, models and settings.
        until: The last day of the plan.
        dates: The hash of the partitions of each date, and of the bounds of each day that is wanted.
        outdated: Why a step's tables of a day were outdated, by the step's name and the day. All others were fresh.
    """

    code: str
    until: date
    dates: Mapping[date, str]
    outdated: Mapping[tuple[str, date], str] = field(default_factory=dict)

    def text(self) -> str:
        """Return the state as JSON."""
        dates = {day.isoformat(): value for day, value in sorted(self.dates.items())}
        outdated: dict[str, dict[str, list[str]]] = {}  # by step and reason, because most days have the same reason
        for (step, day), reason in sorted(self.outdated.items()):
            outdated.setdefault(step, {}).setdefault(reason, []).append(day.isoformat())
        values = {"code": self.code, "until": self.until.isoformat(), "dates": dates, "outdated": outdated}
        return json.dumps(values)

    def first_change(self, now: "Known") -> date | None:
        """Return the first date that differs in another state; `date.min` if all can, None if none does."""
        if self.code != now.code:
            return date.min
        changed = {day for day in self.dates.keys() | now.dates.keys() if self.dates.get(day) != now.dates.get(day)}
        if self.until != now.until:
            changed.add(min(self.until, now.until))
        return min(changed, default=None)


def known_of(text: str) -> Known | None:
    """Return the state that was written by `Known.text`; None if there is none that can be read."""
    try:
        found = json.loads(text)
        dates = {date.fromisoformat(day): str(value) for day, value in found["dates"].items()}
        outdated = {
            (step, date.fromisoformat(day)): reason
            for step, days_of in found["outdated"].items()
            for reason, days in days_of.items()
            for day in days
        }
        return Known(str(found["code"]), date.fromisoformat(found["until"]), dates, outdated)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class DateHashes:
    """Hashes the state of each date, for one frame. A date whose partitions are as they were is not hashed again."""

    def __init__(self, frame: Frame) -> None:
        """Take the settings, the days that are wanted and the horizon."""
        self._frame = frame
        self._kept: dict[date, tuple[list[Partition], str]] = {}

    def present(
        self, partitions: Mapping[Key, Partition], code: str, outdated: Mapping[tuple[str, date], str]
    ) -> Known:
        """Return the present state of a catalog.

        Args:
            partitions: The partitions of the catalog.
            code: The hash of what all days depend on.
            outdated: Why a step's tables of a day are outdated.
        """
        of_date: dict[date, list[Partition]] = {day: [] for day in self._frame.wanted}
        for key, each in partitions.items():
            if key.date is not None:
                of_date.setdefault(key.date, []).append(each)
        dates = {day: self._hash(day, found) for day, found in of_date.items()}
        return Known(digest([code, self._frame.frozen_before]), self._frame.until, dates, outdated)

    def _hash(self, day: date, found: list[Partition]) -> str:
        before = self._kept.get(day)
        if before is None or before[0] != found:  # quick, because those that did not change are the same objects
            lines = [
                f"{each.key.table}|{each.key.file_id}|{each.sha256}|{each.fingerprint}|{each.generation}"
                f"|{each.changed_generation}|{each.is_damaged}"
                for each in found
            ]
            if self._frame.is_wanted(day):
                lines.append(digest(list(self._frame.bounds(day).values())))
            text = "\n".join(sorted(lines))
            before = found, hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).hexdigest()
            self._kept[day] = before
        return before[1]


def days_ahead(frame: Frame) -> dict[str, int]:
    """Return, for each step, how many days after its own day a change can affect it, through all tables it reads."""
    found: dict[str, int] = {}
    for step in steps_of(frame.settings):
        # The step that has `observed_until` reads an input whose span, VISITOR_WINDOW, reaches as far.
        found[step.name] = max(
            (_ahead(what, frame, found) for what in step.inputs if _is_read(step, what, frame)), default=0
        )
    return found


def _is_read(step: Step, what: Input, frame: Frame) -> bool:
    return what.table not in step.tables and is_built(what.table, frame.settings)


def _ahead(what: Input, frame: Frame, found: Mapping[str, int]) -> int:
    if table(what.table).date_column is None:
        return WITHOUT_LIMIT
    producer = STEP_OF_TABLE.get(what.table)
    return what.span.ahead(frame) + (found[producer.name] if producer else 0)
