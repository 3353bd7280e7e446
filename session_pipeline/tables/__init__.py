"""Every table: its contract, its model and the step that builds it, in one folder for each group.

`<group>/contracts.py` has the columns and their meanings, `<group>/<table>.sql` the model, `<group>/steps.py` what is
built from what. Arrow schemas, casts, Dagster's column metadata, the comments in the warehouse and the table pages of
the documentation all come from the contracts. Models are run in engines/; build/ decides when.
"""

from collections.abc import Mapping

from session_pipeline.reference.columns import Column
from session_pipeline.tables.contract import Table
from session_pipeline.tables.funnels import contracts as funnels
from session_pipeline.tables.ingest import contracts as ingest
from session_pipeline.tables.outcomes import contracts as outcomes
from session_pipeline.tables.publish import contracts as publish
from session_pipeline.tables.sessions import contracts as sessions

__all__ = ["TABLES", "Column", "Table", "table"]

TABLES: Mapping[str, Table] = {
    contract.name: contract for group in (ingest, sessions, outcomes, funnels, publish) for contract in group.TABLES
}


def table(name: str) -> Table:
    """The contract of a table.

    Raises:
        KeyError: There is no such table.
    """
    return TABLES[name]
