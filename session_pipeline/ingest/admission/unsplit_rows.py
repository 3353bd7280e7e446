"""Recognizes tables whose rows are not split into fields: rows quoted as a whole, and other delimiters."""

import re
from collections.abc import Sequence

from session_pipeline.ingest.formats.records import DELIMITERS

QUOTED_ROWS = "the rows are quoted as a whole, so each is one field: export the file without quotes around its rows"
# What can separate fields: a tab, but no other blank; not colons and slashes, which are in times and URLs.
_SIGN = re.compile(r"""\t|[^\w\s"'.:/\\-]""")


def are_quoted_rows(rows: Sequence[str]) -> bool:
    """Whether the header and rows of a table with one field are rows that were quoted as a whole.

    Only for a CSV whose delimiter was looked for in its header: without quotes, it would have been found there.
    """
    return any(all(delimiter in row for row in rows) for delimiter in DELIMITERS)


def other_delimiter(rows: Sequence[str]) -> str | None:
    """Return the delimiter that probably separates the fields in the header and rows of a table that was not split.

    None if no sign is in the header more than once and as often in each row.
    """
    header = rows[0]
    signs = dict.fromkeys(_SIGN.findall(header))
    found = [sign for sign in signs if 1 < header.count(sign) <= min(row.count(sign) for row in rows)]
    return max(found, key=header.count, default=None)
