"""Finds the shapes of lines that can be read fast. A shape is the keys of an object, in order.

A file has few shapes, so what follows from the keys of a line is computed once for each frequent shape. A line of any
other shape is looked at key by key, with the same result. given_lines.py uses the shapes.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from session_pipeline.engines.sql import literal, quote

PLAIN_KEY = re.compile(r"[A-Za-z0-9_.$@ -]+")  # keys that are written in JSON as they are
MOST_OTHERS = 500  # of many more keys, binding the query takes longer than looking at each line key by key


@dataclass(frozen=True)
class KnownShapes:
    """Frequent shapes without a repeated key.

    Attributes:
        of_columns: Shapes in which every key is a column.
        with_others: Shapes that also have other keys, all of them in `others`, in this order.
        others: Keys that are no columns.
    """

    of_columns: Sequence[Sequence[str]]
    with_others: Sequence[Sequence[str]]
    others: Sequence[str]

    def others_as_json(self, struct: str) -> str:
        """Return an expression for the other fields of a line as a JSON object, without those that are null.

        Args:
            struct: A struct of the line's fields, in which the others are JSON.
        """
        members = [
            f"{literal(json.dumps(key) + ':')} || nullif(cast({struct}.{quote(key)} as varchar), 'null')"
            for key in self.others
        ]
        return f"'{{' || concat_ws(',', {', '.join(members)}) || '}}'" if members else "cast(null as varchar)"


def known_shapes(
    shapes: Sequence[Sequence[str]], columns: Collection[str], names: Mapping[str, str], *, can_have_others: bool
) -> KnownShapes:
    """Return, of some shapes, those that can be read fast, with at most MOST_OTHERS keys that are no columns.

    Args:
        shapes: Shapes, the most frequent first.
        columns: The keys that are columns.
        names: Names that the struct of a line has, by their lower case. It cannot have two with the same.
        can_have_others: Whether the other fields are what is left without the keys that are columns.
    """
    unique = [list(shape) for shape in shapes if len(set(shape)) == len(shape)]
    with_others: list[list[str]] = []
    others: list[str] = []
    for shape in unique:
        own = [key for key in shape if key not in columns]
        if own and can_have_others and all(map(PLAIN_KEY.fullmatch, own)):
            joined = _joined(others, own)
            if joined is None or len(joined) > MOST_OTHERS:
                continue
            if len({*names, *map(str.lower, joined)}) == len(names) + len(joined):
                others = joined
                with_others.append(shape)
    return KnownShapes([shape for shape in unique if set(shape) <= set(columns)], with_others, others)


def has_shape_of(shapes: Sequence[Sequence[str]]) -> str:
    """Return an expression for whether a line's keys, `_keys`, are one of some shapes; null or false if not."""
    lists = ", ".join(f"[{', '.join(map(literal, shape))}]" for shape in shapes)
    return f"list_contains(cast([{lists}] as varchar[][]), _keys)" if shapes else "false"


def _joined(first: Sequence[str], second: Sequence[str]) -> list[str] | None:
    """Return all keys of two lists in an order that agrees with both; None if there is none that is found easily."""
    result: list[str] = []
    rest = list(first)
    for key in second:
        if key in rest:
            place = rest.index(key)
            result += [*rest[:place], key]
            rest = rest[place + 1 :]
        elif key in result:
            return None
        else:
            result.append(key)
    return [*result, *rest]
