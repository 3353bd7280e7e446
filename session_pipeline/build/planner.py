"""Computes the plan: what is stale, and why. It is a pure function of the catalog, the settings and the horizon.

A partition is stale if it is missing or damaged, or if its recorded fingerprint differs from its present one. This one
rule covers late data, changed models, changed settings, missed schedules and resumed backfills. The plan does not
depend on the clock. fingerprints.py computes fingerprints, builder.py builds what is stale, and tables/spans.py defines
which dates of an input a day reads.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date

from session_pipeline.build.explain import what_changed
from session_pipeline.build.fingerprints import Fingerprint, Fingerprints
from session_pipeline.build.inputs import Inputs
from session_pipeline.build.known import DateHashes, Known, days_ahead
from session_pipeline.build.plan import Certainty, Item, Kind, Plan, Staleness
from session_pipeline.store.files import digest
from session_pipeline.store.records import Key, Partition
from session_pipeline.tables import TABLES
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEP_OF_TABLE, is_built, is_optional, steps_of


class Planner:
    """Computes staleness and the plan, for a catalog and one state of code and settings.

    Attributes:
        frame: The settings, the days that are wanted and the horizon.
        inputs: Finds the partitions that steps read.
        fingerprints: Computes the present fingerprints and recipes of steps.
    """

    def __init__(
        self,
        partitions: Mapping[Key, Partition],
        recipes: Mapping[str, Mapping[str, str]],
        frame: Frame,
        *,
        known: Known | None = None,
        version: str = "",
    ) -> None:
        """Create a planner.

        Args:
            partitions: The partitions of the catalog. Read again at each call, so that a run can use the planner while
                it commits.
            recipes: The recipes of the catalog.
            frame: The settings, the days that are wanted and the horizon.
            known: A `state` for which the plan was empty; None compares all days.
            version: The version of the package.
        """
        self.frame = frame
        self.inputs = Inputs(partitions, frame)
        self.fingerprints = Fingerprints(self.inputs, frame)
        self._known = known
        self._version = version
        self._partitions = partitions
        self._recipes = recipes
        self._date_hashes = DateHashes(frame)

    def staleness(self, step: Step, day: date | None) -> Staleness | None:
        """Return why a step's tables of a day must be built; None if they are fresh or frozen, or an input is missing.

        Tables that are missing or damaged must be built in any case.
        """
        if self.frame.is_frozen(day):
            return None
        found = (self._partitions.get(Key(name, day)) for name in step.tables)
        built = [partition for partition in found if partition is not None]
        if len(built) < len(step.tables):
            if is_optional(step.tables[0]) and self._has_built_events(day):
                return Staleness(Kind.ADDED, "setting identity.by changed")  # no other setting adds tables
            return Staleness(Kind.DATA, "new day" if step.is_daily else "new table")
        if any(partition.is_damaged for partition in built):
            return Staleness(Kind.DAMAGE, "its file is damaged")
        if self.fingerprints.is_unchanged(step, day, built):
            return None
        current = self.fingerprints.of(step, day)
        if current is None or all(partition.fingerprint == current.value for partition in built):
            return None
        return self._difference(step, built[0], current)

    def _has_built_events(self, day: date | None) -> bool:
        """Return whether the events of a day are built; for tables without days, those of any day."""
        if day is None:
            return any(key.table == "events" for key in self._partitions)
        return Key("events", day) in self._partitions

    def _difference(self, step: Step, recorded: Partition, current: Fingerprint) -> Staleness:
        differing = {name for name, value in current.parts.items() if recorded.parts.get(name) != value}
        # A part that is not recorded is one that a new version reads in addition. It is no new data.
        added = differing - recorded.parts.keys()
        changed = differing - added
        if "day" in changed:
            # Built at once, like data: with days of two time zones, an event could be in two days or in none.
            return Staleness(Kind.DATA, "the bounds of the day changed (time zone)")
        inputs = [what for what in step.inputs if what.table in changed]
        if "recipe" in changed:
            # Settings decide some spans: if the recipe changed, other dates of such an input are a logic reason. For
            # the other inputs they are a data reason, such as a new day that sessions can reach.
            inputs = [what for what in inputs if not what.span.is_by_settings or f"days of {what.table}" not in changed]
        if inputs:
            return Staleness(Kind.DATA, ", ".join(f"{what.table} changed" for what in inputs))
        if "recipe" in changed:
            recipe = self.fingerprints.recipe(step).parts
            before = self._recipes.get(recorded.parts.get("recipe", ""), {})
            return Staleness(Kind.LOGIC, what_changed(before, recipe))
        if added_tables := [what.table for what in step.inputs if what.table in added]:
            return Staleness(Kind.LOGIC, ", ".join(f"{name} is also read" for name in added_tables))
        return Staleness(Kind.DATA, "later days are known now")

    def plan(self, *, upgrade: bool = False) -> Plan:
        """Return everything that is stale, in the order to build it.

        An outdated item does not make its readers stale, so that everything else can be built and published. An
        outdated item that reads a stale partition is also an item that may be built: if that input changes, the reason
        is data.

        Args:
            upgrade: Whether to build all items, without the limit max_rebuild_days.
        """
        found, outdated_days = self._compared(upgrade=upgrade)
        items: list[Item] = []
        outdated: list[Item] = []
        stale: set[tuple[str, date | None]] = set()
        for step, day in self._in_order(found):
            staleness, stale_input = found[step.name, day], self._stale_input(step, day, stale)
            if staleness is not None and staleness.kind is Kind.LOGIC and day in outdated_days:
                outdated.append(Item(step, day, Certainty.WILL, staleness.kind, staleness.reason))
                staleness = None
            if staleness is not None:
                items.append(Item(step, day, Certainty.WILL, staleness.kind, staleness.reason))
            elif stale_input is not None:
                items.append(Item(step, day, Certainty.MAY, Kind.DATA, f"reads {stale_input}"))
            else:
                continue
            stale.add((step.name, day))
        return Plan(tuple(items), tuple(outdated), self._unwanted(), self.frame)

    def _compared(self, *, upgrade: bool) -> tuple[dict[tuple[str, date | None], Staleness | None], frozenset[date]]:
        """Return the staleness of every day of a step that may not be fresh, and the days that wait for an upgrade.

        Days that are known to be outdated are compared only if one of them is to be built now: then what reads it may
        have to be built, too.
        """
        first = self._first_change()
        found: dict[tuple[str, date | None], Staleness | None] = {}
        while True:
            for step, day in self._asked(first):
                if (step.name, day) not in found:
                    found[step.name, day] = self.staleness(step, day)
            waiting = {key: value for key, value in self._known_outdated(first).items() if key not in found}
            every = found | waiting
            outdated_days = frozenset() if upgrade else _outdated_days(every, self.frame.settings.max_rebuild_days)
            to_build = {day for _, day in waiting if day is not None} - outdated_days
            if not to_build:
                return every, outdated_days
            first = min(to_build)

    def _known_outdated(self, first: date | None) -> dict[tuple[str, date | None], Staleness]:
        """Return what was outdated in the known state; nothing if all days can have changed since."""
        if self._known is None or first == date.min:
            return {}
        days = set(self.frame.open_days)
        return {key: Staleness(Kind.LOGIC, why) for key, why in self._known.outdated.items() if key[1] in days}

    def state(self, outdated: Iterable[Item] = ()) -> Known:
        """Return the state that the plan is computed from, to be given to a later planner if the plan is empty.

        Args:
            outdated: What is outdated by the plan.
        """
        reasons = {(item.step.name, item.day): item.reason for item in outdated if item.day is not None}
        recipes = [self.fingerprints.recipe(step).value for step in steps_of(self.frame.settings)]
        code = digest([self._version, sorted(TABLES), recipes])
        return self._date_hashes.present(self._partitions, code, reasons)

    def fresh_days(self, step: Step) -> frozenset[date]:
        """Return the days to build whose tables of a step are fresh. Only days that can be stale are compared.

        A day of which an input is not built yet is not fresh: it cannot be built now, but it may have to be.
        """
        first = self._first_change()
        can_be_stale = {day for each, day in self._asked(first) if each is step}
        can_be_stale |= {day for name, day in self._known_outdated(first) if name == step.name}
        return frozenset(
            day
            for day in self.frame.open_days
            if day not in can_be_stale or (self.staleness(step, day) is None and self._has_inputs(step, day))
        )

    def _has_inputs(self, step: Step, day: date) -> bool:
        """Return whether all partitions that a step reads for a day are built."""
        found = self.inputs.of(step, (day,)).values()
        return all(isinstance(each, Partition) for partitions in found for each in partitions)

    def _first_change(self) -> date | None:
        """Return the first date that is not as in the known state; `date.min` if all can differ, None if none does."""
        return self._known.first_change(self.state()) if self._known else date.min

    def _in_order(self, found: Collection[tuple[str, date | None]]) -> list[tuple[Step, date | None]]:
        """Return steps and days in the order of the plan."""
        in_order = (
            (step, day)
            for step in steps_of(self.frame.settings)
            for day in (self.frame.open_days if step.is_daily else (None,))
        )
        return [(step, day) for step, day in in_order if (step.name, day) in found]

    def _asked(self, first: date | None) -> list[tuple[Step, date | None]]:
        """Return the steps, each with the days that can be stale, in the order of the plan.

        Args:
            first: The first date that is not as in the known state, as `_first_change` returns it.
        """
        if not self.frame.wanted:
            return []
        # Days that depend on a table without days, such as identities, are always compared.
        ahead, changed = days_ahead(self.frame), (first or date.max).toordinal()
        asked: list[tuple[Step, date | None]] = []
        for step in steps_of(self.frame.settings):
            if step.is_daily:
                after = changed - ahead[step.name]
                asked += [(step, day) for day in self.frame.open_days if day.toordinal() >= after]
            else:
                asked.append((step, None))
        return asked

    def _unwanted(self) -> tuple[Key, ...]:
        # Almost all partitions are those of days to build, and are found to be wanted here, without a call for each.
        settings, days = self.frame.settings, set(self.frame.wanted)
        tables = {name for name, contract in TABLES.items() if is_built(name, settings) and not contract.is_log}
        others = [key for key in self._partitions if key.date not in days or key.table not in tables]
        return tuple(sorted(key for key in others if self._is_unwanted(self._partitions[key])))

    def _is_unwanted(self, partition: Partition) -> bool:
        key = partition.key
        if key.file_id:
            return False
        if self.frame.is_frozen(key.date) and key.table in TABLES:
            return False  # it can expire, but no other horizon or setting removes it
        if not is_built(key.table, self.frame.settings):
            return True
        if key.date is None:
            # A table of all days is dropped when no day is left.
            return key.table in STEP_OF_TABLE and not self.frame.wanted
        if key.table not in TABLES:
            return True
        # A log is kept when its day is no longer wanted. A damaged log is dropped, because it cannot be rebuilt.
        return partition.is_damaged if TABLES[key.table].is_log else not self.frame.is_wanted(key.date)

    def _stale_input(self, step: Step, day: date | None, stale: set[tuple[str, date | None]]) -> Key | None:
        """Return the first input of a step's tables of a day that is stale."""
        for what in step.inputs:
            producer = STEP_OF_TABLE.get(what.table)
            if producer is None:
                continue
            for input_date in self.inputs.dates(what, day):
                if (producer.name, input_date) in stale:
                    return Key(what.table, input_date)
        return None


def _outdated_days(found: Mapping[tuple[str, date | None], Staleness | None], max_days: int) -> frozenset[date]:
    """Return the outdated days: those stale only for logic, if they exceed the limit.

    The limit counts all days with logic reasons, including those that also have data reasons. Tables that a setting
    adds to a day are built at once, but are no reason to build the others.
    """
    days_of: dict[Kind, set[date]] = {kind: set() for kind in Kind}
    for (_, day), staleness in found.items():
        if day is not None and staleness is not None:
            days_of[staleness.kind].add(day)
    if len(days_of[Kind.LOGIC]) <= max_days:
        return frozenset()
    return frozenset(days_of[Kind.LOGIC] - days_of[Kind.DATA] - days_of[Kind.DAMAGE])
