"""Metadata of tables and partitions that the Dagster UI shows to an operator.

Dagster keeps metadata in its history. For privacy, it contains only counts, and no values of single visitors, sessions
or events. The metadata is attached to the assets in `defs.assets`.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg

from session_pipeline.build.builder import Built
from session_pipeline.engines.sql import literal
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.publish.publication import Published
from session_pipeline.run import delivered_files
from session_pipeline.run.profile import INGEST, PUBLISH
from session_pipeline.run.run import Run
from session_pipeline.store.records import Key, Partition
from session_pipeline.tables import Table, table
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import LOGS

MOST_ROWS = 20
CELL_WIDTH = 40
TITLE_WIDTH = 400  # of a chart, which can be a sentence
# For each table, the columns to group by and the column to sum; rows are counted if that is None. The columns to group
# by contain no values of events.
COUNTED_BY: Mapping[str, tuple[tuple[str, ...], str | None]] = {
    "daily_outcomes": (("site", "outcome"), "session_count"),
    "daily_breakdowns": (("site", "dimension"), None),
    "session_dimensions": (("site", "dimension"), None),
    "session_goals": (("site", "goal"), None),
    "session_outcomes": (("site", "outcome"), None),
    "funnel_steps": (("funnel", "step_number", "step"), "entered_count"),
    "funnel_entries": (("funnel", "step_reached"), None),
}
CHART_DAYS = 14
BARS = "▁▂▃▄▅▆▇█"


def description(contract: Table) -> str:
    """Describe a table: what one row is, what a partition is, and where the table can be read."""
    sentences = [contract.grain]
    if contract.is_log:
        sentences.append("A log: builds append rows and never remove any. New rows are visible after publication.")
    elif contract.date_column and contract.name != "raw_events":
        meaning = contract.date_meaning.replace("; the partition", "")  # this sentence says so itself
        sentences.append(f"A partition is a day, `{contract.date_column}`: {meaning}")
        sentences.append("Days with events, and the day after each of them, are built.")
    if not contract.is_published:
        sentences.append("In the store only: an intermediate table that is neither in the warehouse nor in the lake.")
    return "\n\n".join(sentences)


def of_table(contract: Table) -> dict[str, Any]:
    """Return column names, types and meanings for the catalog of the UI.

    A key is unique within a partition, so a site is not unique in a daily table. A session has one day, so its id is.
    """
    is_unique = contract.date_column is None or contract.key == ("session_id",)
    columns = [
        dg.TableColumn(
            column.name,
            column.type,
            column.meaning,
            dg.TableColumnConstraints(unique=is_unique and contract.key == (column.name,)),
            tags={"key": ""} if column.name in contract.key else {},
        )
        for column in contract.dated_columns
    ]
    return {
        "dagster/table_name": contract.name,
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "key": ", ".join(contract.key) + (f", within a {contract.date_column}" if contract.date_column else ""),
    }


def of_ingested(run: Run, name: str, summary: IngestSummary) -> dict[str, Any]:
    """Return figures of an ingested table: counts of this ingest, and rows in the store."""
    partitions = run.store.of_table(name)
    figures: dict[str, Any] = {
        "dagster/row_count": sum(partition.row_count for partition in partitions),
        "seconds": run.profile.seconds(INGEST),
        **{label: int(value) for label, value in vars(summary).items()},
    }
    if name == "source_files":
        figures["not_accepted_count"] = delivered_files.not_accepted_count(run.store)
    if name == "quarantined_lines":
        reasons: Counter[str] = Counter()
        for partition in partitions:
            reasons.update({reason: int(count) for reason, count in partition.counts.items()})
        figures["quarantined_by_reason"] = _table(("reason", "lines"), reasons.most_common())
    return figures


def of_built(run: Run, step: Step, results: Sequence[Built]) -> dict[tuple[str, date | None], dict[str, Any]]:
    """Return figures of the partitions of a step, by table and day: rows, change, reason, file, query and counts."""
    figures = {}
    for name in step.tables:
        partitions = [built.partitions[name] for built in results]
        counts = _counts(run, name, [partition for partition in partitions if partition.row_count])
        for built, partition in zip(results, partitions, strict=True):
            figures[name, built.day] = _of_partition(run, partition, built) | counts.get(built.day, {})
    return figures


def _of_partition(run: Run, partition: Partition, built: Built) -> dict[str, Any]:
    contract, day = table(partition.key.table), partition.key.date
    figures: dict[str, Any] = {
        "dagster/partition_row_count" if day else "dagster/row_count": partition.row_count,
        "built_because": _why(partition, built),
        "rows_last_changed_by": ", ".join(partition.causes),
        **_neighbours(run, partition),
        **_of_other_tables(run, partition),
        "seconds": round(built.seconds, 3),
        "bytes": partition.byte_count,
        "file": dg.MetadataValue.path(str(run.store.path_of(partition))),
        **({"file_count": len(partition.files)} if len(partition.files) > 1 else {}),
    }
    if contract.is_published:
        where = f" where {contract.date_column} = {literal(day)}" if day else ""
        figures["query"] = dg.MetadataValue.md(f"```sql\nselect * from {contract.name}{where}\n```")
    return figures


def of_no_day() -> dict[str, Any]:
    """Return the metadata of a day in the range of a run that has nothing to build."""
    return {
        "dagster/partition_row_count": 0,
        "built_because": "not built: no events on this day or the day before",
    }


def of_publication(run: Run, published: Published) -> dict[str, dict[str, Any]]:
    """Return figures of a publication for the warehouse, the lake and the log tables."""
    folder = run.folder
    common = {"generation": published.generation, "data_until": str(run.until)}
    return {
        "warehouse": {
            **common,
            "seconds": run.profile.seconds(PUBLISH),
            "replaced_partitions": published.replaced_count,
            "bytes": folder.warehouse.stat().st_size,
            "file": dg.MetadataValue.path(str(folder.warehouse)),
        },
        "lake": {
            **common,
            "linked_files": published.linked_count,
            "removed_files": published.removed_count,
            "folder": dg.MetadataValue.path(str(folder.lake)),
        },
        **{log.table: {**common, **_log_figures(run, log.table)} for log in LOGS},
    }


def of_report(run: Run) -> dict[str, Any]:
    """Return figures of the report, its main charts, and the seconds of each stage of the run until now."""
    written = run.outcome.report
    stages = [
        (name, round(spent.seconds, 2), round(spent.cpu_seconds, 2)) for name, spent in run.profile.stages.items()
    ]
    return {
        "file": dg.MetadataValue.path(str(written.path if written else "")),
        "charts": _images(written.charts if written else {}),
        "seconds_by_stage": _table(("stage", "seconds", "CPU seconds"), stages),
    }


def _images(charts: Mapping[str, str]) -> dg.MetadataValue[Any]:
    """Return SVG files as images in Markdown, each below its title."""
    images = [
        f"{_cell(title, TITLE_WIDTH)}\n\n![chart](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"
        for title, svg in charts.items()
    ]
    return dg.MetadataValue.md("\n\n".join(images) or "no visits yet")


def _log_figures(run: Run, name: str) -> dict[str, Any]:
    """Return the row count of a log table, and a query for its newest rows."""
    newest = f"select * from {name} order by changed_at desc limit 20"
    return {
        "dagster/row_count": sum(partition.row_count for partition in run.store.of_table(name)),
        "query": dg.MetadataValue.md(f"```sql\n{newest}\n```"),
    }


def _why(partition: Partition, built: Built) -> str:
    if not built.was_built:
        before = f"built at {partition.built_at[:16]} UTC: {partition.reason}"
        return f"{built.reason or 'up to date'}, not rebuilt; {before}"
    return built.reason if built.changed else f"{built.reason}; the result is equal"


def _neighbours(run: Run, partition: Partition) -> dict[str, Any]:
    """Return comparisons with the same table on earlier days."""
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
    return found


def _of_other_tables(run: Run, partition: Partition) -> dict[str, Any]:
    """Return row counts of related tables, on the table where an operator expects them."""
    if partition.key.table != "events":
        return {}
    others = (("duplicates", "duplicate_events"), ("sessions_still_open", "open_sessions"))
    built = {label: run.store.get(Key(other, partition.key.date)) for label, other in others}
    return {label: other.row_count for label, other in built.items() if other is not None}


def _bars(counts: Sequence[int]) -> str:
    largest = max(counts)
    return "".join(BARS[round(count / largest * (len(BARS) - 1))] if largest else BARS[0] for count in counts)


def _counts(run: Run, name: str, partitions: Sequence[Partition]) -> dict[date | None, dict[str, Any]]:
    """Count, for each day, visitors, rows for which each flag is set, sums of counts, and the groups of COUNTED_BY."""
    contract, sums = table(name), _sums(name)
    by, summed = COUNTED_BY.get(name, ((), None))
    if not partitions or not (sums or by):
        return {}
    day = contract.date_column or "cast(null as date)"
    found: dict[date | None, dict[str, Any]] = {}
    with run.engine.job() as job:
        rows = run.rows_of(partitions)
        job.add_input(contract, rows.paths, with_date=True, kept_days=rows.kept_days)
        if sums:
            selected = ", ".join(f"{figure} as {label}" for label, figure in sums.items())
            for row in job.rows(f"select {day} as day, {selected} from {name} group by all").to_pylist():
                counted_day = row.pop("day")
                # A file of an older version can lack a column; then its sum is null.
                found[counted_day] = {label: int(value) for label, value in row.items() if value is not None}
        if by:
            heading = summed or "rows"
            groups = ", ".join(by)
            figure = f"sum({summed})" if summed else "count(*)"
            counted = job.rows(
                f"select {day} as day, {groups}, {figure} as {heading} from {name} group by all order by all"
            )
            of_day: dict[date | None, list[Sequence[object]]] = {}
            for counted_day, *values in (row.values() for row in counted.to_pylist()):
                of_day.setdefault(counted_day, []).append(values)
            for counted_day, values in of_day.items():
                found.setdefault(counted_day, {})["counts"] = _table([*by, heading], values[:MOST_ROWS])
    return found


def _sums(name: str) -> dict[str, str]:
    """Return the SQL of the figures of a table that are one number, by their labels."""
    columns = {column.name: column.type for column in table(name).columns}
    sums = {column: f"sum(cast({column} as bigint))" for column, kind in columns.items() if kind == "BOOLEAN"}
    if name == "daily_summary":
        sums |= {column: f"sum({column})" for column in columns if column.endswith("_count")}
    if "visitor_id" in columns:
        sums["visitors"] = "count(distinct (site, visitor_id))"
    return sums


def _table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.MetadataValue[Any]:
    lines = [names, ["---"] * len(names), *([_cell(value) for value in row] for row in rows)]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _cell(value: object, width: int = CELL_WIDTH) -> str:
    """Return a value for a Markdown table. Text becomes inline code, so that no markup, HTML or link is rendered.

    A text of more than `width` characters is cut.
    """
    if value is None or value == "":
        return ""
    if isinstance(value, int | float | Decimal):
        return str(value)
    text = str(value) if len(str(value)) <= width else f"{str(value)[: width - 1]}…"
    text = "".join(char if char.isprintable() else " " for char in text)
    # Backslashes are replaced, because one before a bar would escape the backslash that escapes the bar.
    return "`" + text.replace("`", "'").replace("\\", "/").replace("|", "\\|") + "`"
