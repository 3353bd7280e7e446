"""Describes the table macros of the warehouse: their rows and arguments.

queries/macros.sql has their SQL, and warehouse.py creates them.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Argument:
    """An argument of a macro. Without a default, it must be given."""

    name: str
    meaning: str
    default: str | None = None

    def __str__(self) -> str:
        """The argument as in SQL: step_count := 3."""
        return self.name if self.default is None else f"{self.name} := {self.default}"


@dataclass(frozen=True)
class Macro:
    """A table macro: what one row is, and its arguments in order."""

    grain: str
    arguments: tuple[Argument, ...]

    def comment(self, name: str) -> str:
        """Return the comment in the warehouse: the row, and how the macro is called."""
        return f"{self.grain.removesuffix('.')}; {name}({', '.join(map(str, self.arguments))})."


_ACTION = Argument("given_action", "The action, as in session_actions.")
_SELECTION = (
    Argument("first_day", "The first date of sessions, such as '2026-10-05'; null for no limit.", "null"),
    Argument("last_day", "The last date of sessions; null for no limit.", "null"),
    Argument("given_site", "The site of sessions; null for all sites.", "null"),
)

MACROS: Mapping[str, Macro] = {
    "paths_after": Macro(
        "One row is a path: the actions after the first time that sessions had an action.",
        (_ACTION, Argument("step_count", "The number of actions after it, from 1.", "3"), *_SELECTION),
    ),
    "paths_before": Macro(
        "One row is a path: the actions before the first time that sessions had an action.",
        (_ACTION, Argument("step_count", "The number of actions before it, from 1.", "3"), *_SELECTION),
    ),
    "ad_hoc_funnel": Macro(
        "One row is a step of a funnel of actions: the sessions with the actions up to it, in this order.",
        (
            Argument("given_steps", "The list of actions, as in session_actions."),
            Argument(
                "window_seconds", "The maximum time between first and last step, from 0; null for no limit.", "null"
            ),
            *_SELECTION,
        ),
    ),
}
