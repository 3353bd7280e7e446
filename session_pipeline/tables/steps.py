"""Lists all steps in the order of the data flow, and maps each table to the step that builds it.

The settings decide whether the steps of identity are built; all other steps always are.
"""

from collections.abc import Mapping

from session_pipeline.settings import Settings
from session_pipeline.tables.changes import steps as changes
from session_pipeline.tables.definitions import steps as definitions
from session_pipeline.tables.facts import steps as facts
from session_pipeline.tables.friction import steps as friction
from session_pipeline.tables.funnels import steps as funnels
from session_pipeline.tables.graph import Log, Step
from session_pipeline.tables.identity import steps as identity
from session_pipeline.tables.matches import steps as matches
from session_pipeline.tables.opportunities import steps as opportunities
from session_pipeline.tables.outcomes import steps as outcomes
from session_pipeline.tables.paths import steps as paths
from session_pipeline.tables.sessions import steps as sessions
from session_pipeline.tables.visitors import steps as visitors

STEPS: tuple[Step, ...] = (
    *sessions.STEPS,
    *matches.STEPS,
    *outcomes.STEPS,
    *visitors.STEPS,
    *outcomes.STEPS_WITH_VISITORS,
    *funnels.STEPS,
    *paths.STEPS,
    *friction.STEPS,
    *changes.STEPS,
    *opportunities.STEPS,
    *facts.STEPS,
    *definitions.STEPS,
)
IDENTITY_STEPS = identity.STEPS  # before all others, if identity.by is person
_BY_PERSON = (*IDENTITY_STEPS, *identity.STEPS_AFTER_SESSIONS)
STEP_OF_TABLE: Mapping[str, Step] = {name: step for step in (*STEPS, *_BY_PERSON) for name in step.tables}
LOGS: tuple[Log, ...] = tuple(log for step in STEPS for log in step.logs)
_TABLES_BY_PERSON = frozenset(name for step in _BY_PERSON for name in step.tables)


def steps_of(settings: Settings) -> tuple[Step, ...]:
    """Return the steps that are built with these settings, in the order of the data flow."""
    return (*IDENTITY_STEPS, *STEPS, *identity.STEPS_AFTER_SESSIONS) if settings.identity.is_by_person else STEPS


def is_optional(table_name: str) -> bool:
    """Return whether the settings decide if a table is built."""
    return table_name in _TABLES_BY_PERSON


def is_built(table_name: str, settings: Settings) -> bool:
    """Return whether a table is built with these settings."""
    return settings.identity.is_by_person or not is_optional(table_name)
