"""Local notations of times: which formats some texts fit, and which formats the setting time_format accepts.

Times that are read without a setting are defined in ingest/macros/times.sql.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import product

DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y",
         "%b %d, %Y")  # fmt: skip
CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p")
BETWEEN = (" ", ", ")
BEGINNING = re.compile(r"\s?\d{1,4}[./-]\s?\d{1,2}[./-]|[^\W\d]+\s+\d{1,2},")  # of a text that could fit one of DATES
USUAL_FORMATS = (*DATES, *("".join(parts) for parts in product(DATES, BETWEEN, CLOCKS)))
PARTS_OF_DATES = (("%Y", "%y"), ("%m", "%b", "%B"), ("%d",))
KNOWN_PARTS = frozenset("YymbBdHIMSfp%")


def formats_of(texts: Sequence[str], least: float) -> tuple[str, ...]:
    """Return the usual formats that most of some texts fit: those that fit the most texts, at least the share `least`.

    Several fit equally many if no day after the 12th shows the order.
    """
    dates = [text for text in texts if BEGINNING.match(text)]
    needed = least * len(texts)
    if not dates or len(dates) < needed:
        return ()  # other values, as most fields have: trying all formats takes long
    first = dates[: int(len(dates) - needed) + 1]  # a format that fits none of them does not fit enough
    likely = [format for format in USUAL_FORMATS if any(_fits(text, format) for text in first)]
    counts = {format: sum(_fits(text, format) for text in dates) for format in likely}
    most = max(counts.values(), default=0)
    return tuple(format for format, count in counts.items() if count == most >= needed)


def has_time_of_day(format: str) -> bool:
    """Whether a format contains hours."""
    return "%H" in format or "%I" in format


def problem_of(format: str) -> tuple[str, str] | None:
    """Return what is wrong with a format and how to fix it; None if it is valid."""
    parts = re.findall(r"%-?(.?)", format)
    if unknown := [part for part in parts if part not in KNOWN_PARTS]:
        known = ", ".join(f"%{part}" for part in "dmYyHIMSfpbB")
        return f"contains %{unknown[0]}", f"use {known}; times with an offset or as numbers need no format"
    given = [f"%{part}" for part in parts if part != "%"]
    if len(set(given)) < len(given):
        return "has a part twice", "remove one of them"
    if any(len({*given}.intersection(names)) != 1 for names in PARTS_OF_DATES):
        return "is no date", "write one year, month and day, such as %d.%m.%Y %H:%M:%S"
    if ("%I" in given) is not ("%p" in given):
        return "has only one of %I and %p", "write %I with %p (06:10 PM), or %H (18:10)"
    return None


def _fits(text: str, format: str) -> bool:
    try:
        datetime.strptime(text, format)
    except ValueError:
        return False
    return True
