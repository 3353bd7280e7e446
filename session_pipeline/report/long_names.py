"""Lists the long names that the page shows shortened, so that a phone and a print have them in full, too.

names.py and formats.py shorten names; this module only finds them in the figures and on the page.
"""

from collections.abc import Iterator

from markupsafe import escape

from session_pipeline.report import formats, names
from session_pipeline.report.figures import Figures, Row
from session_pipeline.report.paths import JOIN

ACTIONS = (*names.ACTION_COLUMNS, "from_action", "to_action", "folder", "first_action", "last_action")
MOST_BYTES = 40_000  # so that a page stays below 400 kB


def long_names(figures: Figures, page: str) -> tuple[list[str], int]:
    """Return the names that the page shows shortened, in order, and how many more there are.

    A name has at most formats.FULL_LENGTH characters; a longer one is shortened here, too.

    Args:
        figures: The figures of the page.
        page: Its HTML.
    """
    text = page.replace("<wbr>", "")
    shown = sorted(name for name in _names(figures) if escape(formats.shortened(name)) in text)
    full = list(dict.fromkeys(map(formats.full, shown)))
    fitting, size = 0, 0
    for name in full:
        size += len(name.encode())
        fitting += size <= MOST_BYTES
    return full[:fitting], len(full) - fitting


def _names(figures: Figures) -> set[str]:
    """Return all names of the figures that are longer than the page shows names."""
    rows = (row for name in figures.names for row in figures.rows(name))
    return {name for row in rows for name in _names_of(row) if len(name) > formats.LENGTH}


def _names_of(row: Row) -> Iterator[str]:
    for column in ACTIONS:
        if row.get(column):
            yield names.full_name(row[column])
    for action in (row.get("path") or "").split(JOIN):
        yield names.full_name(action)
    if row.get("search_term"):
        yield row["search_term"]
    value = row.get("dimension_value")
    if value:
        yield value
        yield names.full_name(value)
