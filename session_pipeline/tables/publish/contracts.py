"""Defines the table that describes a published warehouse file."""

from session_pipeline.reference.column import count, date, text, time
from session_pipeline.tables.contract import Table

TABLES: tuple[Table, ...] = (
    Table(
        name="warehouse_info",
        grain="One row describes the content of this file.",
        date_column=None,
        key=("generation",),
        group="publish",
        columns=(
            time("built_at", "Time when this file was written, from the machine's clock, UTC."),
            date("data_until", "Last local day that was to be built."),
            count("generation", "Generation of the store that all tables in this file show."),
            text("package_version", "Version of session_pipeline that wrote it."),
            text("settings_hash", "Hash of the resolved settings, without [alerts] and [history]."),
            text("timezone", "Time zone in the settings: dates are days in it. Times are UTC."),
            count(
                "outdated_day_count",
                "Days that still have the definitions of older settings or models, because they are more than "
                "max_rebuild_days; `session-pipeline run --upgrade` rebuilds them.",
            ),
        ),
    ),
)
