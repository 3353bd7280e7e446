"""Every table once: its grain, key, order and columns, with types and meanings.

Arrow schemas, casts, Dagster's column metadata, the comments in the warehouse and the table pages of the documentation
all come from here. Knows no SQL model, no file and no setting.
"""

from session_pipeline.contracts.columns import Column
from session_pipeline.contracts.table import Table
from session_pipeline.contracts.tables import (
    DELIVERED_COLUMNS,
    EVENT_CONDITION_COLUMNS,
    SESSION_CONDITION_COLUMNS,
    TABLES,
    table,
)

__all__ = [
    "DELIVERED_COLUMNS",
    "EVENT_CONDITION_COLUMNS",
    "SESSION_CONDITION_COLUMNS",
    "TABLES",
    "Column",
    "Table",
    "table",
]
