"""Provides what the models of changes read from the settings: the dimensions by which changes are looked for."""

from session_pipeline.settings import Settings
from session_pipeline.tables.settings_sql import session_values, text_sql


def segment_values(settings: Settings) -> str:
    """Returns SQL for the values of sessions: (session_id, site, session_date, dimension, dimension_value)."""
    columns = "session_id, site, session_date"
    excluded = settings.changes.excluded_dimensions
    own = ", ".join(text_sql(name) for name in settings.dimensions if name not in excluded)
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
