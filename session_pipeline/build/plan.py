"""Defines the plan: what `run` would build and why, and the kinds of reasons.

planner.py computes it, and stale_days.py and builder.py build what it lists.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from session_pipeline.store.records import Key
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import steps_of


class Kind(Enum):
    """The kind of reason why a partition is stale.

    DATA is new or late data, DAMAGE is a damaged file, and ADDED is a table that a setting adds to what is built; all
    three are built at once. LOGIC is a changed setting, model or contract; it is built only up to the limit
    max_rebuild_days.
    """

    DATA = "data"
    DAMAGE = "damage"
    ADDED = "added"
    LOGIC = "logic"


class Certainty(Enum):
    """Whether an item of the plan is certain to be built.

    WILL: it is stale now. MAY: an input of it is stale; if the rebuilt input is equal, it stays fresh.
    """

    WILL = "will"
    MAY = "may"


@dataclass(frozen=True)
class Staleness:
    """Why a step's tables of a day must be built: the kind of reason, and the reason as it is shown to users."""

    kind: Kind
    reason: str


@dataclass(frozen=True)
class Item:
    """A step to build for one day; the day is None for tables without days."""

    step: Step
    day: date | None
    certainty: Certainty
    kind: Kind
    reason: str

    def __str__(self) -> str:
        """The item as it is shown to users: sessions[2026-10-05]."""
        return self.step.name if self.day is None else f"{self.step.name}[{self.day}]"


@dataclass(frozen=True)
class Plan:
    """What `run` would do.

    Attributes:
        items: What to build, in this order.
        outdated: What waits for an upgrade: it is stale only because settings or models changed, on more days than one
            run rebuilds.
        unwanted: Partitions to drop.
        frame: The settings, the days that are wanted and the horizon that the plan is made for.
    """

    items: tuple[Item, ...]
    outdated: tuple[Item, ...]
    unwanted: tuple[Key, ...]
    frame: Frame = field(repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to build and nothing to drop."""
        return not self.items and not self.unwanted

    @property
    def outdated_days(self) -> frozenset[date]:
        """The days that have outdated tables."""
        return frozenset(item.day for item in self.outdated if item.day is not None)

    @property
    def days(self) -> tuple[date, ...]:
        """The days that have something to build."""
        return tuple(sorted({item.day for item in self.items if item.day is not None}))

    def ranges(self, unpublished: Sequence[date] = ()) -> list[tuple[date, date]]:
        """Return the days to build as ranges of calendar days, one run for each.

        Days that read tables of later days are in one range with them, because a run builds table by table. Otherwise
        the first run would read partitions that the second run replaces.

        Args:
            unpublished: Days that were built but not published. A run that was killed may not have checked them, so the
                last range has them, too: its run publishes after its checks. Days that are not open are left out.
        """
        ranges: list[tuple[date, date]] = []
        read = {what.span for step in steps_of(self.frame.settings) if step.is_daily for what in step.inputs}

        def furthest_read(day: date) -> int:
            """Return the largest distance, in days, between a day and a later date that a step reads for it."""
            return max(span.distance(self.frame, day) for span in read)

        for day in self.days:
            if ranges and (day - ranges[-1][1]).days <= furthest_read(ranges[-1][1]):
                ranges[-1] = (ranges[-1][0], day)
            else:
                ranges.append((day, day))
        if unchecked := sorted(set(unpublished).intersection(self.frame.open_days)):
            first, last = ranges.pop() if ranges else (unchecked[0], unchecked[-1])
            ranges.append((min(first, unchecked[0]), max(last, unchecked[-1])))
        return ranges
