"""The SQL of ingest: finds a query by name, and creates its macros and views on a connection.

What they are used for is in reading/work.py.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import duckdb

PLACEHOLDER = re.compile(r"\$(\w+)")

# The files of the folder macros/ that a connection needs for its work, in this order.
MACROS: Mapping[str, tuple[str, ...]] = {
    "lines": ("json", "numbers", "times", "urls", "addresses"),
    "requests": ("visitor_ids", "known_addresses", "access_logs"),  # after those for lines
    "visitor_ids": ("addresses", "visitor_ids"),
    "key_values": ("key_values",),
}


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the views and tables of a reading and free their memory."""
    connection.execute("drop view if exists accepted_lines")
    for name in ("numbered_lines", "delivered_lines"):
        connection.unregister(name)
    for name in ("earlier_lines", "read_lines"):
        connection.execute(f"drop table if exists {name}")


def define(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Create the macros for some work, once per connection, because that takes longer than reading a small file."""
    [(is_made,)] = connection.execute(f"select getvariable('has_{name}_macros')").fetchall()
    if not is_made:
        connection.execute(macros(name))
        connection.execute(f"set variable has_{name}_macros = true")


def macros(name: str) -> str:
    """Return the SQL that creates the macros for some work; see MACROS."""
    return "\n".join(_text(f"macros/{file}") for file in MACROS[name])


def query(name: str, **parts: object) -> str:
    """Return the SQL of a file of the folder queries/.

    Args:
        name: The file, without its ending.
        parts: SQL text for $placeholders. Placeholders without a part are parameters of the query.
    """
    text = _text(f"queries/{name}")
    return PLACEHOLDER.sub(lambda found: str(parts.get(found[1], found[0])), text) if parts else text


@cache
def _text(name: str) -> str:
    return files("session_pipeline.ingest").joinpath(f"{name}.sql").read_text(encoding="utf-8")
