"""Finds values of columns and keys of properties that are similar to those that a rule names.

Runs queries only for rules that match nothing, so it costs nothing if all rules match.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import accumulate

import duckdb
from sqlglot import exp

from session_pipeline.engines.sql import query_text
from session_pipeline.settings.conditions.shape import JSON_PATH
from session_pipeline.settings.values import shown
from session_pipeline.settings_warnings.window import Window, is_on, on_days
from session_pipeline.tables import table

MOST_VALUES = 500  # only the most frequent values are used
MOST_EVENTS = 10_000  # events whose properties are searched
LISTED = 6
LONGEST_LIST = 60  # characters, because a warning is one line
LISTED_COLUMNS = {"event_name": "event names", "action": "actions"}  # whose values are listed if none is similar
RELATIONS = ("events", "sessions", "session_actions")
PERSONAL = frozenset(column.name for name in RELATIONS for column in table(name).columns if column.is_personal)


class Existing:
    """The values and keys in the events and sessions of a window. Each is queried at most once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, window: Window) -> None:
        """Prepare the lookups. No query runs yet."""
        self._connection = connection
        self._window = window
        self._values: dict[tuple[str, str], list[str]] = {}
        self._keys: list[str] | None = None

    def hints(self, condition: exp.Expression, relation: str) -> list[str]:
        """Return at most two hints about what exists instead of the values and keys that a condition names."""
        if relation not in RELATIONS:
            return []
        return list(dict.fromkeys([*self._of_values(condition, relation), *self._of_keys(condition)]))[:2]

    def _of_values(self, condition: exp.Expression, relation: str) -> Iterator[str]:
        occurring = []
        for column, value in _compared(condition):
            if column in PERSONAL:
                continue
            values = self._values_of(relation, column)
            if value in values:
                occurring.append(f"{column} = {shown(value)} exists, so check the rest of the condition")
                continue
            if alike := near(value, values):
                yield f"similar values of {column}: {listed(alike)}"
            elif column in LISTED_COLUMNS:
                yield f"existing {LISTED_COLUMNS[column]}: {listed(values)}"
        if len(occurring) == 1:
            yield occurring[0]

    def _of_keys(self, condition: exp.Expression) -> Iterator[str]:
        for node in condition.find_all(exp.JSONExtractScalar):
            path = node.expression
            key = next((str(part.this) for part in path.find_all(exp.JSONPathKey)), None)
            if key is None or not isinstance(node.this, exp.Column):
                continue
            keys = self._property_keys()
            if key in keys:
                continue
            outer, _, inner = key.partition(".")
            if outer in keys and JSON_PATH.fullmatch(nested := f"$.{key}"):
                yield f"if {inner} is a key in {outer}, write {shown(nested)}"
            elif alike := near(key, keys):
                yield f"similar keys of properties: {listed(alike)}"
            else:
                yield f"existing keys of properties: {listed(keys)}" if keys else "no event has properties"

    def _values_of(self, relation: str, column: str) -> list[str]:
        """Return the most frequent values of a column."""
        if (relation, column) not in self._values:
            day_column = "event_date" if relation == "events" else "session_date"
            rows = self._connection.execute(
                f"select cast({column} as varchar) as text, count(*) from {relation}"
                f" where {is_on(day_column, self._window.days)} and {column} is not null"
                f" group by text order by count(*) desc, text limit {MOST_VALUES}"
            ).fetchall()
            self._values[relation, column] = [row[0] for row in rows]
        return self._values[relation, column]

    def _property_keys(self) -> list[str]:
        """Return the keys in the properties of a fixed selection of events."""
        if self._keys is None:
            rows = self._connection.execute(
                query_text(__package__, "property_keys"),
                {**on_days(self._window.days), "most_events": MOST_EVENTS, "most_values": MOST_VALUES},
            ).fetchall()
            self._keys = [row[0] for row in rows]
        return self._keys


def _compared(condition: exp.Expression) -> Iterator[tuple[str, str]]:
    """Yield the columns of a condition with the strings that = and in compare them with."""
    for node in condition.find_all(exp.EQ, exp.In):
        if isinstance(node, exp.In):
            column, values = node.this, node.expressions
        else:
            sides = (node.this, node.expression)
            column = next((side for side in sides if isinstance(side, exp.Column)), None)
            values = [side for side in sides if side is not column]
        if isinstance(column, exp.Column):
            for value in values:
                if isinstance(value, exp.Literal) and value.is_string:
                    yield column.name, value.name


def near(value: str, values: Sequence[str]) -> list[str]:
    """Return at most two of the values that are similar to one, the most similar first."""
    by_lower = {each.lower(): each for each in reversed(values)}  # if values differ only in case, the most frequent one
    return [by_lower[each] for each in get_close_matches(value.lower(), by_lower, n=2, cutoff=0.7)]


def listed(values: Sequence[str]) -> str:
    """Return the first values, at least one, in a text that is short enough to be part of a sentence."""
    texts = list(map(shown, values[:LISTED]))
    count = max(1, sum(length <= LONGEST_LIST for length in accumulate(len(f"{text}, ") for text in texts)))
    more = f" and {len(values) - count} more" if len(values) > count else ""
    return ", ".join(texts[:count]) + more
