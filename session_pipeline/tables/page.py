"""Renders the contracts as a page of the documentation.

After changing a contract, run `python -m session_pipeline.tables.page > docs/tables.md`. A test compares the two.
"""

import sys

from session_pipeline.tables import TABLES
from session_pipeline.tables.contract import Table

HEAD = """# The tables

Made from `session_pipeline/tables`; do not edit by hand. Times are UTC, dates are local dates in the
reporting time zone, and sums of values are exact (DECIMAL). A row belongs to one site: its key has the `site`, or
a `session_id` or `file_id`, which belong to one site. Only `agents_seen`, `user_agents`, `action_labels`
and `warehouse_info` have no site. Columns are listed in the order of the warehouse, where the date of
the partition comes last; in the lake, it is in the name of the folder. Tables marked *store only* are
steps on the way: they are not in the warehouse.
"""


def tables_page() -> str:
    """Return all tables with their grain, key and columns, as Markdown."""
    rows = ["| table | one row is | date |", "|---|---|---|"]
    for contract in TABLES.values():
        grain = contract.grain.removeprefix("One row is ").removesuffix(".")
        place = "" if contract.is_published else " *(store only)*"
        rows.append(f"| [{contract.name}](#{contract.name}){place} | {grain} | {contract.date_column or ''} |")
    return "\n".join([HEAD, *rows, "", *(_table(contract) for contract in TABLES.values())]).rstrip() + "\n"


def _table(contract: Table) -> str:
    lines = [f"## {contract.name}", "", contract.grain]
    if not contract.is_published:
        lines[-1] += " *Store only.*"
    lines += ["", f"Key: {', '.join(f'`{name}`' for name in contract.key)}"]
    if contract.date_column:
        lines[-1] += f", within a `{contract.date_column}`"
    lines += ["", "| column | type | meaning |", "|---|---|---|"]
    lines += [f"| {column.name} | {column.type} | {_cell(column.meaning)} |" for column in contract.columns]
    if contract.date_column:
        lines.append(f"| {contract.date_column} | DATE | {_cell(contract.date_meaning)} |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(tables_page())
