"""Computes fingerprints: hashes of what the tables of a day are built from, and the parts that they consist of.

A fingerprint shows whether a partition would be built with the same bytes again. planner.py compares it with the
recorded one and decides what is stale; explain.py names what changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from session_pipeline.build.inputs import Inputs
from session_pipeline.engines.sql import literal
from session_pipeline.store.files import digest
from session_pipeline.store.records import Key, Partition, Recipe
from session_pipeline.tables import models, table
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Step

PART_HASHES = "parts"  # among the counts of a partition: the hash of the part that each day reads
NOTHING_NEW: Mapping[Key, str] = {}


@dataclass(frozen=True)
class Fingerprint:
    """Identifies what a step's tables of a day are built from.

    Attributes:
        value: Hash of the parts; if it is equal, a build would give the same bytes.
        parts: The recipe, the bounds of the day, and hashes for each input.
    """

    value: str
    parts: Mapping[str, str]


class Fingerprints:
    """Computes fingerprints for one state of code and settings. Recipes and shared hashes are computed once."""

    def __init__(self, inputs: Inputs, frame: Frame) -> None:
        """Take the inputs of steps, which are read again at each call, and the frame."""
        self._inputs = inputs
        self._frame = frame
        self._digests: dict[tuple[str | date | None, ...], str] = {}
        self._recipe_of: dict[str, Recipe] = {}

    def recipe(self, step: Step) -> Recipe:
        """Return the part of a step's fingerprint that is the same for every day."""
        if step.name not in self._recipe_of:
            settings = self._frame.settings
            parts = {f"model {name}": models.meaning(name) for name in step.models}
            parts |= {f"contract of {name}": digest(table(name).shape) for name in step.tables}
            parts |= {
                f"list {name}": digest([dict(row) for row in make(settings).rows]) for name, make in step.lists.items()
            }
            parts |= {
                f"setting {name}": digest(relation.make(settings))
                for name, relation in (*step.relations.items(), *step.wrapped.items())
            }
            parts["logic"] = step.logic_version
            of_settings = sorted(step.parameters & self._frame.parameters.keys())
            parts |= {f"setting {name}": literal(self._frame.parameters[name]) for name in of_settings}
            parts["computations"] = digest([[c.model, c.name, dict(run)] for c, run in step.runs(settings)])
            self._recipe_of[step.name] = Recipe(digest(parts), parts)
        return self._recipe_of[step.name]

    def of(self, step: Step, day: date | None, new: Mapping[Key, str] = NOTHING_NEW) -> Fingerprint | None:
        """Return the present fingerprint of a step's tables of a day; None if an input is not built yet.

        Args:
            step: The step.
            day: The day; None for a step without days.
            new: SHA-256 of files that are to be committed together with those of the day, by key.
        """
        parts = {"recipe": self.recipe(step).value, **self._day_parts(step, day)}
        for name, found in self._inputs.of(step, (day,)).items():
            hashes = []
            for each in found:
                key, stored = (each.key, _hash_for(each, day)) if isinstance(each, Partition) else (each, None)
                sha256 = new.get(key, stored)
                if sha256 is None:
                    return None
                hashes.append((key.date, sha256))
            # The dates that are read are a part of their own: a setting can change them.
            parts[f"days of {name}"] = self._digest_of([read for read, _ in hashes])
            parts[name] = digest([sha256 for _, sha256 in hashes])
        return Fingerprint(digest(parts), parts)

    def _day_parts(self, step: Step, day: date | None) -> dict[str, str]:
        """Return the parts of a fingerprint that depend on the calendar and the horizon."""
        if day is None or not step.day_columns:
            return {}
        bounds = self._frame.bounds(day)
        read = [literal(bounds[name]) for name in sorted(step.day_columns) if name in bounds]
        parts = {"day": self._digest_of(read)}
        if "observed_until" in step.day_columns:
            parts["observed until"] = digest(literal(self._frame.observed_until(day)))
        return parts

    def _digest_of(self, values: Sequence[str | date | None]) -> str:
        """Return the digest of texts that many fingerprints share, or of dates as texts, such as those of a span."""
        key = tuple(values)
        if key not in self._digests:
            self._digests[key] = digest(list(map(str, values)))
        return self._digests[key]

    def is_unchanged(self, step: Step, day: date | None, built: Sequence[Partition]) -> bool:
        """Return whether the inputs, recipe and bounds of a step's tables of a day are those that they were built from.

        It is cheaper than a fingerprint, because an input counts as changed by its generation and not by its hash.

        Args:
            step: The step.
            day: The day; None for a step without days.
            built: The partitions of the step's tables.
        """
        generation = min(partition.generation for partition in built)
        parts = built[0].parts
        current = {"recipe": self.recipe(step).value, **self._day_parts(step, day)}
        for name, found in self._inputs.of(step, (day,)).items():
            for each in found:
                if not isinstance(each, Partition) or each.changed_generation > generation:
                    return False
            current[f"days of {name}"] = self._digest_of(
                [each.key.date for each in found if isinstance(each, Partition)]
            )
        return len({partition.fingerprint for partition in built}) == 1 and current.items() <= parts.items()


def _hash_for(partition: Partition, day: date | None) -> str:
    """Return the hash of what a day reads of a partition: of its part of a table without days that has parts."""
    parts: Mapping[str, str] | None = partition.counts.get(PART_HASHES)
    return partition.sha256 if parts is None or day is None else parts.get(str(day), "")
