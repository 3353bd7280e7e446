"""Finds erased ids that events of other visitors have as their former id (identity.previous_id), and blanks them.

Otherwise, the other visitor would be linked to the erased id, and its tables would have it. erased_rows.py and
erase_frozen.py write the files; erasures.py recognizes the ids.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from session_pipeline.engines.connections import private_connection
from session_pipeline.ingest.erasing.erased_days import look_at
from session_pipeline.ingest.erasing.erasures import Erasures

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?P<of_key>\s*:)?|-?\d[\d.eE+-]*')  # a text, perhaps a key, or a number
BLANK = '""'


def erased_former_ids(path: Path, erasures: Erasures, site: str) -> dict[int, str]:
    """Return the former id of each event of a file of raw_events that has an erased one, by line number."""
    if not erasures.linking_events:
        return {}
    with private_connection(temp_directory="", threads=1) as connection:
        look_at([path], erasures, connection)
        found = connection.execute("select distinct previous_id from linking_events where previous_id <> ''").fetchall()
        ids = [former for (former,) in found]
        erased = {*erasures.erased("visitor", site, ids), *erasures.erased("user", site, ids)}
        if not erased:
            return {}
        rows = connection.execute(
            "select line_number, previous_id from linking_events where previous_id in (select unnest($1::varchar[]))",
            [sorted(erased)],
        ).fetchall()
    return dict(rows)


def without_ids(rows: pa.Table, ids: Iterable[str | None]) -> pa.Table:
    """Return events without these ids in their properties, given for each row; the rows themselves if none has one."""
    place = rows.column_names.index("properties")
    texts = rows.column(place).to_pylist()
    blanked = [
        text if text is None or given is None else blank(text, given) for text, given in zip(texts, ids, strict=True)
    ]
    if blanked == texts:
        return rows
    field = rows.schema.field(place)
    return rows.set_column(place, field, pa.array(blanked, field.type))


def blank(properties: str, given: str) -> str:
    """Return a JSON text in which each value that is an id, as a text or as a number, is an empty text."""

    def blanked(found: re.Match[str]) -> str:
        token = found[0]
        if found["of_key"]:
            return token
        value = json.loads(token, strict=False) if token.startswith('"') else token
        return BLANK if value == given else token

    return TOKEN.sub(blanked, properties)
