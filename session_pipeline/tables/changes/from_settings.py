"""Provides what the models of changes read from the settings: the dimensions by which changes are looked for."""

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.tables.settings_sql import session_values, text_sql


def segment_values(settings: Settings) -> str:
    """Returns SQL for the values of sessions: (session_id, site, session_date, dimension, dimension_value)."""
    columns = "session_id, site, session_date"
    own = ", ".join(map(text_sql, _own_dimensions(settings)))
    selects = [
        session_values(columns, settings.changes.dimensions),
        "select s.session_id, s.site, s.session_date, n.dimension, d.dimension_value from sessions as s"
        f" cross join (select unnest([{own}]) as dimension) as n"
        " left join session_dimensions as d on s.session_id = d.session_id and n.dimension = d.dimension"
        if own
        else "",
    ]
    empty = (
        f"select {columns}, cast(null as varchar) as dimension, cast(null as varchar) as dimension_value"
        " from sessions where false"
    )
    return " union all ".join(filter(None, selects)) or empty


def compared_dimensions(settings: Settings) -> SmallTable:
    """Returns the dimensions of daily_breakdowns by which changes are looked for: (dimension)."""
    packaged = [name for name in settings.changes.dimensions if name in settings.breakdowns.dimensions]
    names = [*packaged, *_own_dimensions(settings)]
    return SmallTable({"dimension": "VARCHAR"}, [{"dimension": name} for name in names])


def _own_dimensions(settings: Settings) -> list[str]:
    return [name for name in settings.dimensions if name not in settings.changes.excluded_dimensions]
