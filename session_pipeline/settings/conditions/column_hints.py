"""Says what was probably meant by a name that is not a column."""

from collections.abc import Mapping
from difflib import get_close_matches

from sqlglot import exp

from session_pipeline.reference.column_groups import EVENT_CONDITION_COLUMNS, SESSION_CONDITION_COLUMNS
from session_pipeline.settings.conditions.shape import COMPARISONS, JSON_COLUMNS
from session_pipeline.settings.shortening import excerpt

# What other tools call our columns; the most similar name is often another column, such as event_id for event.
_OTHER_NAMES = {
    "event": "event_name",
    "name": "event_name",
    "page": "page_path",
    "path": "page_path",
    "status": "status_code",
    "time": "event_time",
    "timestamp": "event_time",
    "title": "page_title",
    "url": "page_url",
}
_MISSPELLED = 0.85  # similarity from which a name is taken for a misspelled column even where a string is expected


def column_hint(column: exp.Column, columns: Mapping[str, str], *, is_condition: bool) -> str:
    """Return what to write instead of a name that is not a column.

    Args:
        column: The name, within its expression.
        columns: The columns of the row, each with its SQL type.
        is_condition: Whether the whole expression must be true or false.
    """
    name = excerpt(column.name)
    known = next((json for json in JSON_COLUMNS if json in columns), None)
    if known and name.lower() in JSON_COLUMNS:
        return f"write {known} ->> 'key'"
    if close := get_close_matches(name.lower(), columns, n=1, cutoff=_MISSPELLED):
        return f"did you mean {close[0]}?"
    if _is_compared_value(column):
        return f"strings are written in single quotes: '{name}'"
    if "event_name" in columns and _is_alone(column, is_condition=is_condition):
        return f"write a comparison, such as event_name = '{name}'"
    if "event_name" in columns and name.lower() in SESSION_CONDITION_COLUMNS:
        return f"{name} is a column of sessions: use it in where_session of an outcome, or in breakdown of a funnel"
    if "event_name" not in columns and name.lower() in EVENT_CONDITION_COLUMNS:
        return f"{name} is a column of events: use it in where instead of where_session"
    if (meant := _OTHER_NAMES.get(name.lower())) in columns:
        return f"did you mean {meant}?"
    of_property = f"{known} ->> '{name}'" if known else ""
    if close := get_close_matches(name.lower(), columns, n=1):
        return f"did you mean {close[0]}{', or ' + of_property if known else ''}?"
    if column.this.quoted:
        return f"strings are written in single quotes: '{name}'"
    other = f"; a field without a column is written {of_property}" if known else ""
    return f"the columns are {', '.join(columns)}{other}; strings are written in single quotes"


def _is_compared_value(column: exp.Column) -> bool:
    """Whether a name is where the value of a comparison is: on its right, or in a list."""
    if isinstance(column.parent, exp.In):
        return column.arg_key == "expressions"
    return isinstance(column.parent, (*COMPARISONS, exp.Like, exp.ILike)) and column.arg_key == "expression"


def _is_alone(column: exp.Column, *, is_condition: bool) -> bool:
    """Whether a name is where a condition is expected."""
    parent = column.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    return is_condition if parent is None else isinstance(parent, exp.And | exp.Or | exp.Not)
