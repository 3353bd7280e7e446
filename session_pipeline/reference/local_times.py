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
USUAL_FORMATS = (*DATES, *("".join(parts) for parts in product(DATES, BETWEEN, CLOCKS)))
PARTS_OF_DATES = (("%Y", "%y"), ("%m", "%b", "%B"), ("%d",))
KNOWN_PARTS = frozenset("YymbBdHIMSfp%")


def formats_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the usual formats that all of some texts fit. Several fit if no day after the 12th shows the order."""
    found = USUAL_FORMATS if texts else ()
    for text in texts:
        if not found:
            break
        found = tuple(format for format in found if _fits(text, format))
    return found


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
