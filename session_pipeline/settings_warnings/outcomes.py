"""Finds outcomes that no session can have, because an earlier outcome always wins.

Compares the conditions themselves, so it needs no data. It only finds what follows from parts of conditions that are
joined with `or`, within them with `and`, and from lists of values. An outcome that a session can have is never named.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from session_pipeline.reference.column_groups import EVENT_CONDITION_COLUMNS, SESSION_CONDITION_COLUMNS
from session_pipeline.settings import Settings
from session_pipeline.settings.conditions import parse_condition
from session_pipeline.settings.values import shown
from session_pipeline.settings_warnings.model import SettingsWarning


@dataclass(frozen=True)
class Atom:
    """A condition within `and`: the values that an expression can have, or any other condition as its text (None)."""

    text: str
    values: frozenset[str] | None = None

    @property
    def keys(self) -> list[tuple[str, str | None]]:
        """The keys to find it by, one for each value. The first key of an atom that implies this one is among them."""
        return [(self.text, value) for value in sorted(self.values)] if self.values else [(self.text, None)]

    def implies(self, other: "Atom") -> bool:
        """Whether the other atom is true wherever this one is."""
        if self.values is None or other.values is None:
            return self == other
        return self.text == other.text and self.values <= other.values


Part = tuple[Atom, ...]  # joined with `and`


@dataclass
class _Earlier:
    """The parts of the conditions of earlier outcomes, found by the keys of one of their atoms."""

    found: dict[tuple[str, str | None], list[tuple[Part, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, part: Part, name: str) -> None:
        # The rarest atom, so that thousands of outcomes for the same event are not compared with each other.
        rarest = min(part, key=lambda atom: max(len(self.found[key]) for key in atom.keys))
        for key in rarest.keys:
            self.found[key].append((part, name))

    def winner(self, part: Part) -> str | None:
        """Return an outcome that applies wherever the part is true; None if there is none."""
        for atom in part:
            for other, name in self.found.get(atom.keys[0], ()):
                if all(any(one.implies(each) for one in part) for each in other):
                    return name
        return None


def without_sessions(settings: Settings) -> Iterator[SettingsWarning]:
    """Yield a warning for each outcome whose condition holds only where that of an earlier outcome does."""
    of_events, of_sessions = _Earlier(), _Earlier()
    for outcome in settings.outcomes:
        if outcome.where is not None:
            earlier, text, columns = of_events, outcome.where, EVENT_CONDITION_COLUMNS
        else:
            earlier, text, columns = of_sessions, outcome.where_session or "", SESSION_CONDITION_COLUMNS
        parts = [_part(node) for node in _joined(parse_condition(text, columns, key="outcomes"), exp.Or)]
        winners = [earlier.winner(part) for part in parts]
        if None in winners:
            for part in parts:
                earlier.add(part, outcome.name)
            continue
        names = " or ".join(shown(name) for name in dict.fromkeys(winners) if name is not None)
        yield SettingsWarning(
            f"outcomes[{outcome.name}]",
            f"no session can have this outcome: wherever it applies, {names} applies too and comes first;",
            "move it up, change its condition or remove it",
        )


def _part(condition: exp.Expr) -> Part:
    return tuple(_atom(node) for node in _joined(condition, exp.And))


def _atom(condition: exp.Expr) -> Atom:
    """Return a condition as an atom; `a = 1` and `a in (1, 2)` have values."""
    values: Sequence[exp.Expr] = ()
    if isinstance(condition, exp.EQ):
        values = [condition.expression]
    elif isinstance(condition, exp.In):
        values = condition.expressions
    if values and all(isinstance(value.unnest(), exp.Literal) for value in values):
        return Atom(condition.this.unnest().sql("duckdb"), frozenset(value.unnest().sql("duckdb") for value in values))
    return Atom(condition.sql("duckdb"))


def _joined(condition: exp.Expr, kind: type[exp.Connector]) -> Sequence[exp.Expr]:
    """Return the conditions that are joined with `and`, or with `or`."""
    node = condition.unnest()
    if not isinstance(node, kind):
        return [node]
    return [*_joined(node.this, kind), *_joined(node.expression, kind)]
