"""Describes the macros of the warehouse: their rows or values, and their arguments.

queries/macros.sql has the SQL of the table macros, and tables/macros.sql that of the others, which the models use, too.
warehouse_file.py creates them.
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
    """A macro of the warehouse.

    Attributes:
        grain: What one row is, or the value.
        arguments: Its arguments, in order.
        is_table: Whether it returns rows. Otherwise it returns a value for each row of a query.
    """

    grain: str
    arguments: tuple[Argument, ...]
    is_table: bool = True

    def comment(self, name: str) -> str:
        """Return the comment in the warehouse: the row or value, and how the macro is called."""
        return f"{self.grain.removesuffix('.')}; {name}({', '.join(map(str, self.arguments))})."


_ACTION = Argument("given_action", "The action, as in session_actions.")
_SELECTION = (
    Argument("first_day", "The first date of sessions, such as '2026-10-05'; null for no limit.", "null"),
    Argument("last_day", "The last date of sessions; null for no limit.", "null"),
    Argument("given_site", "The site of sessions; null for all sites.", "null"),
)

_RATE = (
    Argument("rate", "The rate, from 0 to 1; null gives null."),
    Argument("n", "The number of trials, as BIGINT or DOUBLE; 0 gives null."),
    Argument("z", "The normal quantile, 1.96 for 95 %."),
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
            Argument(
                "given_steps", "The list of actions, as in session_actions; or a list of lists: any action of each."
            ),
            Argument(
                "window_seconds", "The maximum time between first and last step, from 0; null for no limit.", "null"
            ),
            *_SELECTION,
        ),
    ),
    "wilson_low": Macro("The lower bound of the Wilson interval of a rate.", _RATE, is_table=False),
    "wilson_high": Macro("The upper bound of the Wilson interval of a rate.", _RATE, is_table=False),
    "path_label": Macro(
        "The label of an action in the tables of paths.", (Argument("action", _ACTION.meaning),), is_table=False
    ),
    "kind_of_action": Macro(
        "The action that stands for a rare action in typical paths.",
        (Argument("action", "The action, as in the tables of paths."),),
        is_table=False,
    ),
}
