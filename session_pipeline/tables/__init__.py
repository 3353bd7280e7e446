"""All tables: the contract of each table, its model and the step that builds it, in one folder per group.

`<group>/contracts.py` defines the columns and their meanings, `<group>/<table>.sql` is the model, and
`<group>/steps.py` defines the step that builds the table. Arrow schemas, casts, Dagster's column metadata, the comments
in the warehouse and the table pages of the documentation are all derived from the contracts.

contract.py defines contracts, and page.py renders them. models.py finds the models, parameters.py computes their
parameters, and settings_sql.py generates SQL from the settings. graph.py defines steps and their inputs, spans.py which
dates of an input are read, blocks.py and frame.py the days, and steps.py lists all steps. statistics.py has what
several groups compute about rates.

engines/ runs the models; build/ decides which days are built.
"""

from collections.abc import Mapping

from session_pipeline.tables.changes import contracts as changes
from session_pipeline.tables.contract import Table
from session_pipeline.tables.definitions import contracts as definitions
from session_pipeline.tables.facts import contracts as facts
from session_pipeline.tables.friction import contracts as friction
from session_pipeline.tables.funnels import contracts as funnels
from session_pipeline.tables.identity import contracts as identity
from session_pipeline.tables.ingest import contracts as ingest
from session_pipeline.tables.matches import contracts as matches
from session_pipeline.tables.opportunities import contracts as opportunities
from session_pipeline.tables.outcomes import contracts as outcomes
from session_pipeline.tables.paths import contracts as paths
from session_pipeline.tables.publish import contracts as publish
from session_pipeline.tables.sessions import contracts as sessions
from session_pipeline.tables.visitors import contracts as visitors

__all__ = ["TABLES", "Table", "table"]

GROUPS = (
    ingest,
    identity,
    sessions,
    matches,
    outcomes,
    visitors,
    funnels,
    paths,
    friction,
    changes,
    opportunities,
    facts,
    definitions,
    publish,
)  # in the order of the data flow

TABLES: Mapping[str, Table] = {contract.name: contract for group in GROUPS for contract in group.TABLES}


def table(name: str) -> Table:
    """Return the contract of a table.

    Raises:
        KeyError: There is no such table.
    """
    return TABLES[name]
