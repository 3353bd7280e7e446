"""Provides what the models of changes read from the settings: the dimensions by which changes are looked for."""

from collections.abc import Sequence

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.tables.settings_sql import session_values


def column_values(settings: Settings) -> str:
    """Return SQL for the values of sessions that are columns: (session_id, dimension, dimension_value)."""
    empty = "select session_id, cast(null as varchar) as dimension, '' as dimension_value from sessions where false"
    return session_values("session_id", settings.changes.dimensions) or empty


def own_dimensions(settings: Settings) -> SmallTable:
    """Return the dimensions in the settings by which changes are looked for: (dimension)."""
    return _dimensions(_own_dimensions(settings))


def compared_dimensions(settings: Settings) -> SmallTable:
    """Return the dimensions of daily_breakdowns by which changes are looked for: (dimension)."""
    packaged = [name for name in settings.changes.dimensions if name in settings.breakdowns.dimensions]
    return _dimensions([*packaged, *_own_dimensions(settings)])


def _dimensions(names: Sequence[str]) -> SmallTable:
    return SmallTable({"dimension": "VARCHAR"}, [{"dimension": name} for name in names])


def _own_dimensions(settings: Settings) -> list[str]:
    return [name for name in settings.dimensions if name not in settings.changes.excluded_dimensions]
