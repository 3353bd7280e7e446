"""Defines the tables that ingest writes: delivered files, quarantined lines and raw events."""

from session_pipeline.reference import column_groups
from session_pipeline.reference import columns as c
from session_pipeline.reference.column import count, text, time
from session_pipeline.tables.contract import Table

TABLES: tuple[Table, ...] = (
    Table(
        name="source_files",
        grain="One row is a delivered file.",
        date_column=None,
        key=("file_id",),
        own_order=("source", "path", "file_id"),
        group="ingest",
        columns=(
            c.FILE_ID,
            c.SOURCE,
            c.SITE,
            text("path", "Path below raw/; the first by name if it was delivered under several."),
            text(
                "status",
                "accepted, corrupt (damaged: none of its lines were accepted) or refused (rejected as a whole).",
            ),
            text("reason", "Why it was not accepted; null if it was."),
            text("mapping", "JSON: how its fields were mapped to columns."),
            count("delivery_count", "Number of deliveries of this content, under any name or compression."),
            count("byte_count", "Size of the decompressed content."),
            count(
                "line_count",
                "Lines that should contain an event, without blank lines and the CSV header. An event of a line with"
                " several, and a record of a JSON list, counts as a line.",
            ),
            count("accepted_count", "Lines that became raw events."),
            count("set_aside_count", "Lines in quarantined_lines."),
            count("erased_count", "Lines of erased visitors and users. Nothing of them is kept."),
            count("blank_line_count", "Blank lines, and lines # of W3C logs; not part of line_count."),
            time("first_event_time", "Time of the earliest event; null without events."),
            time("last_event_time", "Time of the latest event; null without events."),
        ),
    ),
    Table(
        name="quarantined_lines",
        grain="One row is a quarantined line.",
        date_column=None,
        key=("file_id", "line_number"),
        group="ingest",
        columns=(
            c.FILE_ID,
            c.SOURCE,
            c.SITE,
            c.LINE_NUMBER,
            text("reason", "Reason code, such as invalid_json, missing_visitor_id or time_before_start."),
            text("detail", "The field and what was wrong with it; null once it has expired.", is_personal=True),
            text(
                "line",
                "The line, cut to 2,000 characters, with addresses replaced; null once it has expired.",
                is_personal=True,
            ),
        ),
    ),
    Table(
        name="raw_events",
        grain="One row is an accepted line.",
        date_column="utc_date",
        key=("file_id", "line_number"),
        own_order=("line_number",),
        group="ingest",
        is_published=False,
        columns=(
            *column_groups.WHO_AND_WHEN,
            *column_groups.WHAT_HAPPENED,
            c.USER_AGENT,
            c.USER_AGENT_ID,
            c.PROPERTIES,
            c.CONTENT_HASH,
            c.FILE_ID,
            c.LINE_NUMBER,
        ),
    ),
)
