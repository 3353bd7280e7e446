"""The values of one field in the first lines of a file, and what they can be: times, dates, numbers, identifiers.

sampled_fields.py reads the values; suggestions.py and the other modules of suggestions decide what they mean.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from session_pipeline.reference.local_times import formats_of, has_time_of_day

MOST = 0.95  # share of the values that must fit; the rest may be errors
FILLED = 0.9  # share of the lines that must have a value, for a column that every event needs
DECIMAL = re.compile(r"[+-]?(\d++\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
URL = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*://")
WITH_COMMA = re.compile(r"[+-]?(\d{1,3}([. '\xa0\u202f]\d{3})+|\d+)(,\d*)?|[+-]?,\d+")  # as with_decimal_point reads it
WRITTEN_TIME = re.compile(r"\d{4}-\d\d-\d\d")
BARE_DATE = re.compile(r"\d{4}([-/])\d\d\1\d\d")


@dataclass(frozen=True)
class FieldValues:
    """The values of one field in the sampled lines.

    Attributes:
        name: The field; dots lead into nested objects.
        values: Its non-empty values: strings, numbers (as text) and others.
        line_count: The number of sampled lines.
        time_count: The number of values that are valid event times.
        list_name: The list of keys and values that it is an element of; None if it is in no such list.
        readable_count: The number of values that would be valid event times with an earlier start_date.
    """

    name: str
    values: Sequence[object]
    line_count: int
    time_count: int
    list_name: str | None = None
    readable_count: int = 0

    def is_mostly(self, holds: Callable[[str], object], least: float = MOST) -> bool:
        """Whether at least the share `least` of the values are strings or numbers for which `holds` is true."""
        return sum(isinstance(value, str) and bool(holds(value)) for value in self.values) >= least * len(self.values)

    def is_filled(self) -> bool:
        """Whether nearly every line has a value, as a column that every event needs must have."""
        return len(self.values) >= FILLED * self.line_count

    def is_time(self) -> bool:
        """Whether nearly all values are times."""
        return self.time_count >= MOST * len(self.values)

    def is_readable_time(self) -> bool:
        """Whether nearly all values are times, some of them perhaps before start_date."""
        return self.readable_count >= MOST * len(self.values)

    def has_decimal_comma(self) -> bool:
        """Whether the values are numbers with a decimal comma. A comma before three digits could separate thousands."""
        has_decimals = any(re.search(r",(\d{1,2}|\d{4,})$", str(value)) for value in self.values)
        return has_decimals and self.is_mostly(WITH_COMMA.fullmatch)

    @cached_property
    def formats(self) -> tuple[str, ...]:
        """The formats of local times that nearly all values fit; see local_times.py."""
        return formats_of([str(value) for value in self.values], MOST)

    def is_date(self) -> bool:
        """Whether nearly all values are dates without a time of day."""
        if self.formats:
            return not any(map(has_time_of_day, self.formats))
        return self.is_mostly(BARE_DATE.fullmatch)

    @cached_property
    def different_count(self) -> int:
        """The number of distinct values."""
        return len(set(map(str, self.values)))

    def is_constant(self) -> bool:
        """Whether several values are all the same."""
        return len(self.values) > 1 and self.different_count == 1

    def is_identity(self) -> bool:
        """Whether its values can be identifiers: strings or numbers that are neither times nor URLs."""
        return self.is_mostly(lambda text: not WRITTEN_TIME.match(text) and not URL.match(text))
