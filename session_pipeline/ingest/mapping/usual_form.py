"""Finds the form in which most lines of a file are written: keys in one order, values that are texts or null.

A line is compared with the text that its values give in this form. If both are equal, nothing else needs to be looked
at: the line is strict JSON, with exactly these keys. Other lines are looked at more closely, with the same result.
checked_lines.sql compares the lines; shapes.py finds shapes, which are keys without regard to how values are written.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from session_pipeline.engines.sql import literal, quote
from session_pipeline.ingest.mapping.shapes import PLAIN_KEY

SEPARATORS = ((",", ":"), (", ", ": "))  # between members, and between key and value


@dataclass(frozen=True)
class UsualForm:
    """A form of lines.

    Attributes:
        keys: The keys, in order, without a repeated one.
        nullable: Those of them that can be null. A null in another key only makes a line one that is looked at.
        separators: What is between members, and between key and value.
    """

    keys: Sequence[str]
    nullable: Collection[str]
    separators: tuple[str, str]

    def is_that_of(self, line: str, struct: str) -> str:
        """Return an expression for whether a line has this form; null or false if not.

        An equal line is strict JSON without escapes and without a repeated key: where the form has a key, the line has
        it for the first time, and the struct has the first value of a key. So the text up to the next quote is that
        value, and the next key follows.

        Args:
            line: The SQL of the line.
            struct: The SQL of a struct with the first value of each key, as text; null if the line is no JSON object.
        """
        comma, colon = self.separators
        parts: list[str] = []
        before = "{"
        for key in self.keys:
            value = f"{struct}.{quote(key)}"
            before += json.dumps(key) + colon
            if key in self.nullable:
                parts += [literal(before), f"coalesce('\"' || {value} || '\"', 'null')"]
                before = comma
            else:
                parts += [literal(before + '"'), value]
                before = '"' + comma
        end = before.removesuffix(comma) + "}"
        return f"{line} = concat({', '.join([*parts, literal(end)])})"


def usual_form(lines: Sequence[str], shapes: Sequence[Sequence[str]], names: Mapping[str, str]) -> UsualForm | None:
    """Return the form of more than half of some lines; None if there is none that can be compared.

    Args:
        lines: The first lines of a file that are JSON objects.
        shapes: Shapes in which every key is a column.
        names: Names that the struct of a line has as texts, by their lower case.
    """
    counts: Counter[tuple[tuple[str, ...], tuple[str, str]]] = Counter()
    nullable: set[str] = set()
    for line in lines:
        values = _texts(line)
        for separators in SEPARATORS:
            if values and json.dumps(values, ensure_ascii=False, separators=separators) == line:
                counts[tuple(values), separators] += 1
                nullable.update(key for key, value in values.items() if value is None)
                break
    if not counts:
        return None
    [((keys, separators), count)] = counts.most_common(1)
    is_comparable = list(keys) in [list(shape) for shape in shapes] and all(
        names.get(key.lower()) == key and PLAIN_KEY.fullmatch(key) for key in keys
    )
    return UsualForm(keys, nullable & {*keys}, separators) if is_comparable and 2 * count > len(lines) else None


def _texts(line: str) -> dict[str, str | None]:
    """Return the members of a line whose values are all texts or null; nothing for any other line."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    is_plain = isinstance(values, dict) and all(value is None or isinstance(value, str) for value in values.values())
    return values if is_plain else {}
