"""The fields of a line: where they are, and the SQL that reads each of them as text.

given_lines.py says which fields become which columns; queries/given_lines.sql parses the lines.
"""

from collections.abc import Sequence

from session_pipeline.engines.sql import quote
from session_pipeline.ingest.mapping.rules import ReadingRules


class LineFields:
    """The fields that are read from a line, and the SQL of each.

    Attributes:
        at_top: Fields that are read from a struct of the line's top level: their names, by their names in lower case.
        pointers: JSON pointers to all other fields.
        has_numbers: Whether a field was read as a number, for which its type is needed.
    """

    def __init__(self, rules: ReadingRules, format: str) -> None:
        """Take the rules of the source, and the format of the file."""
        self._rules = rules
        self._format = format
        self.at_top: dict[str, str] = {}
        self.pointers: list[str] = []
        self.has_numbers = False

    def first_of(self, names: Sequence[str], *, is_at_top: bool = True) -> str:
        """Return the SQL of the first of some fields that has a value.

        Only the first is read from the struct, because only that one is left out of the other fields.
        """
        if not names:
            return "cast(null as varchar)"
        way = self._rules.way(names[0], self._format)
        if is_at_top and len(way) == 1 and self.at_top.setdefault(way[0].lower(), way[0]) == way[0]:
            first = f"_at_top.{quote(way[0])}"
        else:
            first = self.named(names[0])
        if len(names) == 1:
            return first
        values = ", ".join(f"nullif({field}, '')" for field in [first, *map(self.named, names[1:])])
        return f"coalesce({values})"

    def named(self, name: str) -> str:
        """Return the SQL of a field, from its name as it is in the settings."""
        return _first([self.deep(way) for way in self._rules.ways(name, self._format)])

    def first_number(self, names: Sequence[str]) -> str:
        """Return the SQL of the first of some fields that has a value, as a number; see number."""
        return _first([f"nullif({self.number(name)}, '')" for name in names])

    def number(self, name: str) -> str:
        """Return the SQL of a field as text: with a decimal point if it is a text such as 1.234,56.

        The number 1.234 is no such text; the text "1.234" is a thousand and more.
        """
        self.has_numbers = True
        return _first([self._deep_number(way) for way in self._rules.ways(name, self._format)])

    def deep(self, way: Sequence[str]) -> str:
        """Return the SQL of a field that is read by its path of keys."""
        self.pointers.append(json_pointer(way))
        return f"_deeper[{len(self.pointers)}]"

    def _deep_number(self, way: Sequence[str]) -> str:
        field = self.deep(way)
        is_text = f"_types[{len(self.pointers)}] = 'VARCHAR'"
        return f"case when {is_text} then with_decimal_point({field}) else {field} end"


def _first(values: Sequence[str]) -> str:
    """Return the SQL of the first of some texts that is not null."""
    if len(values) == 1:
        return values[0]
    return f"coalesce({', '.join(values)})" if values else "cast(null as varchar)"


def json_pointer(way: Sequence[str]) -> str:
    """Return a path of keys as a JSON pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in way)
