"""Mutants: small changes to a source, each of which a test should notice; and those that are known to survive.

Knows names and lists. Does not know how a source is changed, nor which tests look at it.
"""

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from session_pipeline_tests.documents import ROOT

SURVIVORS = Path(__file__).with_name("survivors.toml")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Mutant:
    """A source with one thing changed.

    Attributes:
        file: The source, relative to the project.
        place: Where in it: a CTE, a macro, a function.
        change: What was there, and what is there now. Not a line, so that other changes to the source do not rename it.
        write: Writes the whole source with the change.
    """

    file: str
    place: str
    change: str
    write: Callable[[], str] = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        return f"{self.file} | {self.place} | {self.change}"


@dataclass(frozen=True)
class Survivor:
    """A mutant that may survive, and why: it is equivalent, or harmless."""

    name: str
    reason: str


def named_apart(mutants: Iterable[Mutant]) -> list[Mutant]:
    """The mutants, each under a name of its own: the same change in the same place is numbered."""
    changes = Counter[tuple[str, str]]()
    apart = []
    for mutant in mutants:
        changes[mutant.place, mutant.change] += 1
        number = changes[mutant.place, mutant.change]
        apart.append(mutant if number == 1 else replace(mutant, change=f"{mutant.change} ({number})"))
    return apart


def source_of(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def survivors() -> list[Survivor]:
    """All mutants of survivors.toml."""
    entries = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivor", [])
    return [
        Survivor(f"{entry['file']} | {entry['place']} | {change}", entry["reason"])
        for entry in entries
        for change in entry["changes"]
    ]


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """So many of the items, evenly spread; all of them where there are no more."""
    if count >= len(items):
        return list(items)
    return [items[number * len(items) // count] for number in range(count)]
