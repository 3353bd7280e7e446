"""What is stale, and why: a pure function of the catalog, the settings and the horizon.

A partition is stale when it is missing, damaged, or when its recorded fingerprint differs from the one it would have
today. That one rule serves late data, changed models, changed settings, missed schedules and resumed backfills. Knows
fingerprints. Builds nothing and reads no clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from functools import cached_property

from session_pipeline.build.explain import what_changed
from session_pipeline.engines.sql import literal
from session_pipeline.reference.days import Calendar
from session_pipeline.store.catalog import Key, Partition
from session_pipeline.store.files import digest
from session_pipeline.tables import TABLES, models, spans, table
from session_pipeline.tables.frame import DAY_PARAMETERS, Frame
from session_pipeline.tables.graph import Input, Step
from session_pipeline.tables.steps import STEP_OF_TABLE, STEPS

QUARTER = timedelta(minutes=15)
QUARTERS_A_DAY = 96
DAMAGED = "its file is damaged"


class Kind(Enum):
    """Why a partition is stale: data is built at once, logic within limits."""

    DATA = "data"
    LOGIC = "logic"


class Certainty(Enum):
    """WILL: it is stale now. MAY: something it reads is stale; if that comes out equal, it stays."""

    WILL = "will"
    MAY = "may"


@dataclass(frozen=True)
class Item:
    """One step of one day that is to be built."""

    step: Step
    day: date | None
    certainty: Certainty
    kind: Kind
    reason: str

    def __str__(self) -> str:
        """The item as people read it: sessions[2026-10-05]."""
        return self.step.name if self.day is None else f"{self.step.name}[{self.day}]"


@dataclass(frozen=True)
class Fingerprint:
    """What a step's tables of a day are made from.

    Attributes:
        value: Hash over the parts; equal means that a build would give the same bytes.
        parts: Recipe, bounds of the day, and one hash for each input.
    """

    value: str
    parts: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What `run` would do.

    Attributes:
        items: What is to be built, in this order.
        deferred: What only rules changed for, on more days than one run rebuilds: it waits for an upgrade.
        unwanted: What is to be dropped.
    """

    items: tuple[Item, ...]
    deferred: tuple[Item, ...]
    unwanted: tuple[Key, ...]
    frame: Frame = field(repr=False)

    @property
    def is_empty(self) -> bool:
        """Nothing to build and nothing to drop."""
        return not self.items and not self.unwanted

    @property
    def deferred_days(self) -> frozenset[date]:
        """The days that wait for an upgrade, with some or all of their tables."""
        return frozenset(item.day for item in self.deferred if item.day is not None)

    @property
    def days(self) -> tuple[date, ...]:
        """The days that have something to build."""
        return tuple(sorted({item.day for item in self.items if item.day is not None}))

    def ranges(self) -> list[tuple[date, date]]:
        """The days to build as ranges of calendar days, each for one run.

        Days of which one can read the other are in one range, because a run builds table by table: otherwise the first
        run would build on what the second replaces.
        """
        ranges: list[tuple[date, date]] = []
        for day in self.days:
            if ranges and (day - ranges[-1][1]).days <= self._furthest_read(day, ranges[-1][1]):
                ranges[-1] = (ranges[-1][0], day)
            else:
                ranges.append((day, day))
        return ranges

    def _furthest_read(self, *days: date) -> int:
        """How many days away from one of some days the furthest date is that a step reads for it."""
        return max(
            what.span.distance(self.frame, day)
            for day in days
            for step in STEPS
            if step.is_daily
            for what in step.inputs
        )


def wanted_days(
    partitions: Iterable[Partition], calendar: Calendar, start: date, until: date
) -> tuple[tuple[date, ...], dict[date, int]]:
    """The local days to build, and how many raw events wait after the horizon by UTC date.

    Built are the days that have events and, for each, the next day: it closes their sessions.
    """
    with_events = days_with_events(partitions, calendar, start)
    waiting = {day: 0 for day in with_events if day > until}
    days = {day for day in with_events if day <= until}
    days |= {calendar.next(day) for day in days}
    return tuple(sorted(day for day in days if day <= until)), waiting


def days_with_events(partitions: Iterable[Partition], calendar: Calendar, start: date) -> set[date]:
    """The local days that raw events lie in, from a first day on.

    Raw partitions record in which quarter hours they have events, so that days need no look into files.
    """
    quarters: dict[date, int] = {}
    for partition in partitions:
        day = partition.key.date
        assert day is not None
        quarters[day] = quarters.get(day, 0) | int(partition.counts["quarters"], 16)
    return {local for day, mask in quarters.items() for local in _local_days(day, mask, calendar) if start <= local}


def _local_days(utc_date: date, mask: int, calendar: Calendar) -> Iterable[date]:
    """The local days that hold one of a UTC date's quarter hours that have events."""
    midnight = Calendar("UTC").start(utc_date)
    day = calendar.local_date(midnight)
    while calendar.start(day) < midnight + timedelta(days=1):
        if mask & _quarters(day, utc_date, calendar):
            yield day
        day = calendar.next(day)


def _quarters(day: date, utc_date: date, calendar: Calendar) -> int:
    """The quarter hours of a UTC date that a local day has a part of, as bits."""
    midnight = Calendar("UTC").start(utc_date)
    first = max((calendar.start(day) - midnight) // QUARTER, 0)
    last = min(-((midnight - calendar.end(day)) // QUARTER), QUARTERS_A_DAY)
    return ((1 << (last - first)) - 1) << first if last > first else 0


class Planner:
    """Fingerprints and staleness for one state of the catalog and one state of code and settings."""

    def __init__(
        self, partitions: Mapping[Key, Partition], recipes: Mapping[str, Mapping[str, str]], frame: Frame
    ) -> None:
        """Take the catalog as it is; `partitions` is read again at each question, so that a run can go on with it."""
        self.frame = frame
        self._partitions = partitions
        self._recipes = recipes
        self._recipe_of: dict[str, tuple[str, dict[str, str]]] = {}

    @cached_property
    def _raw_by_date(self) -> Mapping[date, list[tuple[int, Partition]]]:
        """The raw events of each UTC date, with the quarter hours that have any."""
        by_date: dict[date, list[tuple[int, Partition]]] = {}
        for key in sorted((key for key in self._partitions if key.table == "raw_events"), key=lambda key: key.file_id):
            assert key.date is not None
            partition = self._partitions[key]
            by_date.setdefault(key.date, []).append((int(partition.counts["quarters"], 16), partition))
        return by_date

    def forget_raw(self) -> None:
        """Look at the raw events anew, after a delivered file was read again."""
        self.__dict__.pop("_raw_by_date", None)

    def inputs(self, step: Step, day: date | None) -> dict[str, list[Partition | Key]]:
        """What a step reads for a day, by table; a key where a partition that is wanted is not there yet."""
        return {what.table: self._input(what, day) for what in step.inputs}

    def _input(self, what: Input, day: date | None) -> list[Partition | Key]:
        found: list[Partition | Key] = []
        for input_date in what.span.dates(self.frame, day):
            if what.table == "raw_events":
                # Two local days share a UTC date; what has events of the other one only is not read.
                quarters = _quarters(day, input_date, self.frame.calendar) if day is not None else -1
                found += [partition for mask, partition in self._raw_by_date.get(input_date, []) if mask & quarters]
            else:
                key = Key(what.table, input_date)
                found.append(self._partitions.get(key, key))
        return found

    def recipe(self, step: Step) -> tuple[str, dict[str, str]]:
        """All that a step's fingerprint has in common for every day: models, contract, parameters, lists, versions."""
        if step.name not in self._recipe_of:
            settings = self.frame.settings
            parts = {f"model {name}": models.meaning(name) for name in step.models}
            parts |= {f"contract of {name}": digest(table(name).shape) for name in step.tables}
            parts |= {f"list {name}": digest(make(settings).to_pylist()) for name, make in step.lists.items()}
            parts |= {f"setting {name}": digest(relation.make(settings)) for name, relation in step.relations.items()}
            parts["logic"] = step.logic_version
            if step.is_daily:
                scalars = self.frame.scalars(self.frame.until)
                parts |= {
                    f"setting {name}": literal(scalars[name]) for name in sorted(step.parameters - DAY_PARAMETERS)
                }
            parts["computations"] = digest([[c.model, c.name, dict(run)] for c, run in step.runs(settings)])
            self._recipe_of[step.name] = digest(parts), parts
        return self._recipe_of[step.name]

    def fingerprint(self, step: Step, day: date | None) -> Fingerprint | None:
        """What the step's tables of a day would be made from; None when an input is not there yet."""
        parts = {"recipe": self.recipe(step)[0]}
        if day is not None:
            scalars = self.frame.scalars(day)
            names = sorted(step.parameters & DAY_PARAMETERS)
            parts["day"] = digest([literal(scalars[name]) for name in names if name != "observed_until"])
            if "observed_until" in names:
                parts["observed until"] = digest(literal(scalars["observed_until"]))
        for name, found in self.inputs(step, day).items():
            there = [partition for partition in found if isinstance(partition, Partition)]
            if len(there) < len(found):
                return None
            # Which days are read is apart from what they hold: a setting can change the first.
            parts[f"days of {name}"] = digest([str(partition.key.date) for partition in there])
            parts[name] = digest([partition.sha256 for partition in there])
        return Fingerprint(digest(parts), parts)

    def staleness(self, step: Step, day: date | None) -> tuple[Kind, str] | None:
        """Why the step's tables of a day must be built, as far as their inputs are there; None when they are fresh."""
        built = [self._partitions.get(Key(name, day)) for name in step.tables]
        if any(partition is None for partition in built):
            return Kind.DATA, "new day" if step.is_daily else "new table"
        if any(partition.is_damaged for partition in built if partition is not None):
            return Kind.DATA, DAMAGED
        recorded = built[0]
        assert recorded is not None
        current = self.fingerprint(step, day)
        if current is None or all(p is not None and p.fingerprint == current.value for p in built):
            return None
        return self._difference(step, recorded, current)

    def _difference(self, step: Step, recorded: Partition, current: Fingerprint) -> tuple[Kind, str]:
        changed = {name for name, value in current.parts.items() if recorded.parts.get(name) != value}
        if "day" in changed:
            # At once, as for data: days of two time zones side by side would hold an event twice, or never.
            return Kind.DATA, "the bounds of the day changed (time zone)"
        inputs = [what for what in step.inputs if what.table in changed]
        if "recipe" in changed:
            # A funnel's window is a rule; that a session can reach into a day that is new now is none.
            inputs = [
                what for what in inputs if what.span != spans.VISITOR_WINDOW or f"days of {what.table}" not in changed
            ]
        if inputs:
            return Kind.DATA, ", ".join(f"{what.table} changed" for what in inputs)
        if "recipe" in changed:
            recipe = self.recipe(step)[1]
            before = self._recipes.get(recorded.parts.get("recipe", ""), {})
            return Kind.LOGIC, what_changed(before, recipe)
        return Kind.DATA, "later days are known now"

    def plan(self, *, upgrade: bool = False) -> Plan:
        """All that is stale, in the order to build it.

        What is held back makes nothing else stale, so that all that is not can be built and published. Where it reads
        what is to be built, it may have to be built all the same: when that comes out otherwise, its data changed.
        """
        asked = [
            (step, day)
            for step in STEPS
            for day in ((self.frame.wanted if step.is_daily else (None,)) if self.frame.wanted else ())
        ]
        found = {(step.name, day): self.staleness(step, day) for step, day in asked}
        held = frozenset() if upgrade else _held(found, self.frame.settings.max_rebuild_days)
        items: list[Item] = []
        deferred: list[Item] = []
        stale: set[tuple[str, date | None]] = set()
        for step, day in asked:
            because, above = found[step.name, day], self._stale_input(step, day, stale)
            if because is not None and because[0] is Kind.LOGIC and day in held:
                deferred.append(Item(step, day, Certainty.WILL, *because))
                because = None
            if because is not None:
                items.append(Item(step, day, Certainty.WILL, *because))
            elif above is not None:
                items.append(Item(step, day, Certainty.MAY, Kind.DATA, f"reads {above}"))
            else:
                continue
            stale.add((step.name, day))
        unwanted = tuple(sorted(key for key, partition in self._partitions.items() if self._is_unwanted(partition)))
        return Plan(tuple(items), tuple(deferred), unwanted, self.frame)

    def _is_unwanted(self, partition: Partition) -> bool:
        key = partition.key
        if key.file_id:
            return False
        if key.date is None:
            # What is made of all days goes with the last of them.
            return key.table in STEP_OF_TABLE and not self.frame.wanted
        if key.table not in TABLES:
            return True
        # What was logged of a day outlives the day, but nothing makes a damaged log again.
        return partition.is_damaged if TABLES[key.table].is_log else not self.frame.is_wanted(key.date)

    def _stale_input(self, step: Step, day: date | None, stale: set[tuple[str, date | None]]) -> str | None:
        for what in step.inputs:
            producer = STEP_OF_TABLE.get(what.table)
            if producer is None:
                continue
            for input_date in what.span.dates(self.frame, day):
                if (producer.name, input_date) in stale:
                    return str(Key(what.table, input_date))
        return None


def _held(found: Mapping[tuple[str, date | None], tuple[Kind, str] | None], max_days: int) -> frozenset[date]:
    """The days that rules alone changed for, when they are more than one run rebuilds."""
    by_logic = {day for (_, day), because in found.items() if day and because and because[0] is Kind.LOGIC}
    by_data = {day for (_, day), because in found.items() if day and because and because[0] is Kind.DATA}
    return frozenset(by_logic - by_data) if len(by_logic) > max_days else frozenset()
