"""Defines how the settings of a source split its files into records, and name their columns. The formats apply it."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

OPTIONAL = "?"  # at the end of a name in `header`
FURTHER = "..."  # at the end of `header`


@dataclass(frozen=True)
class Layout:
    """What the settings of a source say about the records of its files.

    Formats whose columns are known for the whole file (CSV, TSV, Parquet) give them the names that are asked for, if
    names_as_asked finds that they are written in another case.

    Attributes:
        delimiter: Field separator of a CSV or TSV; None: detected from the header of a CSV, a tab in a TSV.
        header: Names of the fields of a CSV or TSV whose files do not begin with a header. Fields whose names end in ?
            may be missing at the end of a record. If the last name is "...", further fields are ignored. Empty: the
            files begin with a header.
        records_in: Path of keys to the list that contains the records of a JSON value, separated by dots; None: a JSON
            object is a record.
        asked: The names of fields that are read or removed.
        needed: The names of fields of each column that every event needs and that has no other origin.
        escape: The character that makes the next character of a TSV part of a value; None: there is none.
        decimal_comma: Whether numbers in texts are written as 1.234,56.
    """

    delimiter: str | None = None
    header: tuple[str, ...] = ()
    records_in: str | None = None
    asked: tuple[str, ...] = ()
    needed: tuple[tuple[str, ...], ...] = ()
    escape: str | None = None
    decimal_comma: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of `header`, without the mark of optional ones."""
        return tuple(name.removesuffix(OPTIONAL) for name in self.header if name != FURTHER)

    @property
    def can_have_further(self) -> bool:
        """Whether a record can have more fields than `header` names."""
        return FURTHER in self.header

    @property
    def least_count(self) -> int:
        """How many fields a record must have at least, if `header` gives the names."""
        return sum(not name.endswith(OPTIONAL) and name != FURTHER for name in self.header)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of `records_in`."""
        return tuple(self.records_in.split(".")) if self.records_in else ()

    def names_as_asked(self, names: Sequence[str]) -> list[str]:
        """Return the names of the columns of a file, in the case in which they are asked for.

        Case is ignored only if no event could be read otherwise: a column that every event needs is missing, and all
        that are missing are there in another case. So a file that can be read as it is stays as it is.
        """
        missing = [fields for fields in self.needed if not set(names).intersection(fields)]
        if not missing:
            return list(names)
        changed = as_asked(names, self.asked)
        is_found = all(set(changed).intersection(fields) for fields in missing)
        return changed if is_found else list(names)


def as_asked(names: Sequence[str], asked: Collection[str]) -> list[str]:
    """Return names in the case in which they are asked for, where this is clear.

    A name stays as it is if it is asked for itself. It also stays if, without regard to case, it equals another name of
    the file, or several names that are asked for.
    """
    wanted: dict[str, set[str]] = {}
    for name in asked:
        wanted.setdefault(name.lower(), set()).add(name)
    counts = Counter(name.lower() for name in names)
    clear = {folded: next(iter(found)) for folded, found in wanted.items() if len(found) == counts[folded] == 1}
    return [clear.get(name.lower(), name) for name in names]


NO_LAYOUT = Layout()
