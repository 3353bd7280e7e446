"""What an operator sees of a table and of a partition in the Dagster UI.

Knows contracts, partitions and Dagster's metadata. Does not build anything.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg

from session_pipeline.build import Built
from session_pipeline.catalog import Key, Partition
from session_pipeline.contracts import Table, table
from session_pipeline.pipeline import Run

PREVIEW_ROWS = 5
PREVIEW_COLUMNS = 8
CHART_DAYS = 14
BARS = "▁▂▃▄▅▆▇█"


def of_table(contract: Table) -> dict[str, Any]:
    """Column names, types and meanings, as the UI's catalog shows them."""
    columns = [
        dg.TableColumn(column.name, column.type, column.meaning, dg.TableColumnConstraints())
        for column in contract.columns
    ]
    if contract.date_column:
        columns.append(dg.TableColumn(contract.date_column, "DATE", contract.date_meaning))
    return {
        "dagster/table_name": contract.name,
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "key": ", ".join(contract.key),
    }


def of_partition(run: Run, partition: Partition, built: Built) -> Mapping[str, Any]:
    """Figures of a partition: rows, change, why it was built, where it is, how to query it, its first rows."""
    contract = table(partition.key.table)
    day = partition.key.date
    metadata: dict[str, Any] = {
        "dagster/partition_row_count" if day else "dagster/row_count": partition.row_count,
        "built_because": built.reason or f"fresh; was built because: {partition.reason}",
        "rows_changed": built.changed,
        "seconds": round(built.seconds, 3),
        "bytes": partition.byte_count,
        "file": dg.MetadataValue.path(str(run.store.path_of(partition))),
        **_neighbours(run, partition),
    }
    if contract.is_published:
        where = f" where {contract.date_column} = '{day}'" if day else ""
        metadata["query"] = dg.MetadataValue.md(f"```sql\nselect * from {contract.name}{where}\n```")
    if built.was_built and partition.row_count:
        metadata["preview"] = dg.MetadataValue.md(_preview(run, partition))
    return metadata


def _neighbours(run: Run, partition: Partition) -> dict[str, Any]:
    """The same table on other days, and what else is known of this one."""
    day, name = partition.key.date, partition.key.table
    if day is None:
        return {}
    found: dict[str, Any] = {}
    last_week = run.store.get(Key(name, day - timedelta(days=7)))
    if last_week is not None:
        found["change_against_same_weekday"] = partition.row_count - last_week.row_count
    counts = [
        before.row_count if (before := run.store.get(Key(name, day - timedelta(days=back)))) else 0
        for back in reversed(range(CHART_DAYS))
    ]
    found[f"rows_of_{CHART_DAYS}_days"] = _bars(counts)
    if name == "events":
        for label, other in (("duplicates", "duplicate_events"), ("sessions_still_open", "open_sessions")):
            built = run.store.get(Key(other, day))
            if built is not None:
                found[label] = built.row_count
    return found


def _bars(counts: list[int]) -> str:
    largest = max(counts)
    return "".join(BARS[round(count / largest * (len(BARS) - 1))] if largest else BARS[0] for count in counts)


def _preview(run: Run, partition: Partition) -> str:
    contract = table(partition.key.table)
    with run.engine.job() as job:
        job.add_input(contract, [run.store.path_of(partition)])
        rows = job.rows(f"select * from {contract.name} limit {PREVIEW_ROWS}").to_pylist()
    names = [column.name for column in contract.columns][:PREVIEW_COLUMNS]
    lines = [" | ".join(names), " | ".join("---" for _ in names)]
    lines += [" | ".join(_cell(row[name]) for name in names) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text[:40].replace("|", "\\|").replace("\n", " ").replace("`", "'").replace("<", "&lt;")


def day_of(key: str) -> date:
    """The day of a partition key."""
    return date.fromisoformat(key)
