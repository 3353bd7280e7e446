"""Defines mutants and chooses a sample of them. Mutants are made in sql.py and python.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from session_pipeline_tests.documents import ROOT

LONGEST_TEXT = 90
MODELS, QUERIES = "tables/*/*.sql", "checks/queries/*.sql"  # in the package
Item = TypeVar("Item")


@dataclass(frozen=True)
class Mutant:
    """A source file with one small change.

    Attributes:
        file: The source file, relative to the project.
        place: The CTE, class or function that the change is in.
        before: The changed code.
        after: The new code; empty if the code is removed.
        write: Returns the text of the whole file with the change.
    """

    file: str
    place: str
    before: str
    after: str
    write: Callable[[], str] = field(compare=False, repr=False)

    def __str__(self) -> str:
        """One line for a report."""
        return f"{self.file}, {self.place}: {_shortened(self.before)}  ->  {_shortened(self.after) or '(removed)'}"


def files_of(pattern: str) -> list[str]:
    """Return the source files of the package that match a pattern, relative to the project."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(f"session_pipeline/{pattern}"))


def source_of(file: str) -> str:
    """Return the text of a source file."""
    return (ROOT / file).read_text(encoding="utf-8")


def sample(items: Sequence[Item], count: int) -> list[Item]:
    """Return `count` items that are evenly spread over the sequence, or all items if there are no more."""
    if count >= len(items):
        return list(items)
    return [items[number * len(items) // count] for number in range(count)]


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}…"
