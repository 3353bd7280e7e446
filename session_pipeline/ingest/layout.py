"""Defines how the settings of a source split its files into records. The formats apply it."""

from dataclasses import dataclass

OPTIONAL = "?"  # at the end of a name in `header`


@dataclass(frozen=True)
class Layout:
    """What the settings of a source say about the records of its files.

    Attributes:
        delimiter: Field separator of a CSV or TSV; None: detected from the header of a CSV, a tab in a TSV.
        header: Names of the fields of a CSV or TSV whose files do not begin with a header. Fields whose names end in ?
            may be missing at the end of a record. Empty: the files begin with a header.
        records_in: Path of keys to the list that contains the records of a JSON value, separated by dots; None: a JSON
            object is a record.
    """

    delimiter: str | None = None
    header: tuple[str, ...] = ()
    records_in: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of `header`, without the mark of optional ones."""
        return tuple(name.removesuffix(OPTIONAL) for name in self.header)

    @property
    def least_count(self) -> int:
        """How many fields a record must have at least, if `header` gives the names."""
        return sum(not name.endswith(OPTIONAL) for name in self.header)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of `records_in`."""
        return tuple(self.records_in.split(".")) if self.records_in else ()


NO_LAYOUT = Layout()
