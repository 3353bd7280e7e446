"""Finds the causes of a build: delivered files, settings and models, not the tables in between.

builder.py records the causes with the partitions, logs.py as the reason of a change. planner.py decides what is stale.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from itertools import chain

from session_pipeline.build.explain import changes
from session_pipeline.build.planner import Planner
from session_pipeline.store.records import Key, Partition
from session_pipeline.store.store import Store
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEP_OF_TABLE, is_optional

MOST_CAUSES = 8  # recorded per partition, in addition to the step's own; thousands of small files can cause one build
OF_OTHER_DAYS = " (lines of other days)"
MORE = "and more"


class Causes:
    """Finds the causes of builds, for one store and one state of code and settings."""

    def __init__(self, store: Store, planner: Planner) -> None:
        """Take the store, which is read again at each call, and the planner."""
        self._store = store
        self._planner = planner

    def of(
        self,
        step: Step,
        day: date | None,
        before: Sequence[Partition | None],
        parts: Mapping[str, str],
        changed_by: Mapping[Key, tuple[str, ...]],
        reason: str,
    ) -> tuple[str, ...]:
        """Return the causes of a build as text, settings and models first.

        A file is named with OF_OTHER_DAYS if none of its lines is on the day, such as a late line that moves a session
        over midnight.

        Args:
            step: The step.
            day: The day; None for a step without days.
            before: The partitions of the step's tables before the build; None for those that were missing.
            parts: The parts of the new fingerprint.
            changed_by: The causes of partitions that the same build changes and that are not committed yet.
            reason: Why the day is stale, in the words of the plan.
        """
        there = [partition for partition in before if partition is not None]
        if len(there) < len(before):
            is_added = is_optional(step.tables[0]) and Key("events", day) in self._store.partitions
            return (reason if day is None or is_added else f"{day} is a {reason}",)
        own = self._own(step, there[0].parts, parts, reason)
        changed = self._changed_inputs(step, day, min(partition.generation for partition in there), changed_by)
        inherited = self._inherited(step, day, changed, bool(own))
        others = sorted(inherited - {*own, MORE}, key=lambda cause: (_is_file(cause), cause))
        more = (MORE,) if len(others) > MOST_CAUSES or MORE in inherited else ()
        return (*own, *others[:MOST_CAUSES], *more) or (reason,)

    @cached_property
    def _recipes(self) -> Mapping[str, Mapping[str, str]]:
        return self._store.catalog.recipes()

    def _own(self, step: Step, before: Mapping[str, str], now: Mapping[str, str], reason: str) -> list[str]:
        """Return what changed in the bounds of the day, and in the step's settings and models."""
        # The plan names changed bounds before all else. Bounds that only one version reads are no change of theirs.
        own = [reason] if len({before.get("day"), now.get("day")} - {None}) > 1 else []
        if before.get("recipe") != now["recipe"]:
            recorded = self._recipes.get(before.get("recipe", ""), {})
            own += changes(recorded, self._planner.fingerprints.recipe(step).parts)
        return own

    def _changed_inputs(
        self, step: Step, day: date | None, since: int, changed_by: Mapping[Key, tuple[str, ...]]
    ) -> dict[Key, tuple[str, ...]]:
        """Return the causes of the inputs that changed since a generation."""
        found: dict[Key, tuple[str, ...]] = {}
        for each in chain.from_iterable(self._planner.inputs.of(step, (day,)).values()):
            key = each.key if isinstance(each, Partition) else each
            if key in changed_by:
                found[key] = changed_by[key]
            elif isinstance(each, Partition) and each.changed_generation > since:
                found[key] = each.causes
        return found

    def _inherited(
        self, step: Step, day: date | None, changed: Mapping[Key, tuple[str, ...]], has_own: bool
    ) -> set[str]:
        """Return the causes of changed inputs, in the words for this day."""
        causes: set[str] = set()
        for key, of_input in changed.items():
            found = {cause.removesuffix(OF_OTHER_DAYS) for cause in of_input}
            if has_own and day is not None and key.table in step.tables:
                # The step's own changes alone can change what is carried over from day to day. A file is a cause
                # only if sessions with its lines can reach the day.
                found -= self._files(found) - self._files_of((*self._planner.frame.reaching(day), day))
            causes |= found
        if day is None or not (files := self._files(causes)):
            return causes
        here = self._files_of((day,))
        return causes - files | {cause if cause in here else f"{cause}{OF_OTHER_DAYS}" for cause in files}

    @staticmethod
    def _files(causes: set[str]) -> set[str]:
        return {cause for cause in causes if _is_file(cause)}

    def _files_of(self, days: Sequence[date]) -> set[str]:
        """Return the delivered files with lines on some days, as causes."""
        raw = self._planner.inputs.of(STEP_OF_TABLE["events"], days)["raw_events"]
        return {cause for partition in raw if isinstance(partition, Partition) for cause in partition.causes}


def _is_file(cause: str) -> bool:
    return cause.startswith("file ")
