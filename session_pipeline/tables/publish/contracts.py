"""The table that describes a published warehouse file."""

from session_pipeline.reference.columns import count, date, text, time
from session_pipeline.tables.contract import Table

TABLES: tuple[Table, ...] = (
    Table(
        name="warehouse_info",
        grain="One row says what this file holds.",
        date_column=None,
        key=("generation",),
        order=("generation",),
        group="publish",
        columns=(
            time("built_at", "When this file was written, by the machine's clock, UTC."),
            date("data_until", "Last local day that was to be built."),
            count("generation", "Number of the store's state that all tables show together."),
            text("package_version", "Version of session_pipeline that wrote it."),
            text("settings_hash", "Hash of the resolved settings."),
        ),
    ),
)
