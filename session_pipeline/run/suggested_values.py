"""Suggests how values are read: which texts mean that there is no value, and which event names are page views.

suggested_keys.py combines these suggestions with the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.run.field_values import FieldValues

NULLS = (r"\N", "NULL")  # as databases write null into text
PAGE_VIEW = "page_view"
# Their letters, in lower case. The name `view` is not one of them: shops use it for a product.
PAGE_VIEWS = frozenset(("page", "pageview", "pageviewed", "pagevisit", "viewpage", "viewedpage", "screenview"))


def nulls_in(fields: Sequence[FieldValues], rules: ReadingRules) -> list[str]:
    """Return the texts for null that some field has and that the settings do not name yet."""
    return [text for text in NULLS if text not in rules.null_values and any(text in field.values for field in fields)]


def without(fields: Sequence[FieldValues], texts: Sequence[str]) -> list[FieldValues]:
    """Return the fields without some values, if they have others."""
    kept = [replace(field, values=[value for value in field.values if value not in texts]) for field in fields]
    return [field for field in kept if field.values]


def page_views_in(fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the key `event_names` for names of page views such as pageview; empty if there are page views already.

    Args:
        fields: The fields of the sampled lines.
        rules: How the lines are read at present.
        columns: The suggested field of each column.
    """
    if rules.events or rules.event_names or rules.request or "event_name" in {*rules.constants, *rules.expressions}:
        return {}
    asked = [columns["event_name"]] if "event_name" in columns else rules.fields_of("event_name")
    names = {str(value) for field in fields if field.name in asked[:1] for value in field.values}
    alike = sorted(name for name in names if "".join(filter(str.isalpha, name.lower())) in PAGE_VIEWS)
    return {} if PAGE_VIEW in names else dict.fromkeys(alike, PAGE_VIEW)
