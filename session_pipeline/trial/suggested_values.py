"""Suggests how values are read: texts that mean no value, names of events, percent-encoded user agents.

suggested_keys.py combines these suggestions with the others.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.reference.usual_event_names import usual_event_names
from session_pipeline.settings.values import is_label
from session_pipeline.trial.field_values import FieldValues

NULLS = (r"\N", "NULL")  # as databases write null into text
# A value with %20 or %2F and without blanks is encoded. An encoded % is decoded last.
ENCODED = re.compile(r"\S*%2[0Ff]\S*")
ENCODED_SIGNS = {"user_agent": " ()/,;:=+%", "referrer": ":/?=&#+%"}


def nulls_in(fields: Sequence[FieldValues], rules: ReadingRules) -> list[str]:
    """Return the texts for null that some field has and that the settings do not name yet."""
    return [text for text in NULLS if text not in rules.null_values and any(text in field.values for field in fields)]


def without(fields: Sequence[FieldValues], texts: Sequence[str]) -> list[FieldValues]:
    """Return the fields without some values, if they have others."""
    kept = [replace(field, values=[value for value in field.values if value not in texts]) for field in fields]
    return [field for field in kept if field.values]


def event_names_in(fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the key `event_names` for usual names of events, such as pageview, that the packaged rules do not know.

    Names that the settings cannot contain are left out, such as those with a line break.

    Args:
        fields: The fields of the sampled lines.
        rules: How the lines are read at present.
        columns: The suggested field of each column.
    """
    if rules.events or rules.event_names or rules.request or "event_name" in {*rules.constants, *rules.expressions}:
        return {}
    asked = [columns["event_name"]] if "event_name" in columns else rules.fields_of("event_name")
    names = {str(value) for field in fields if field.name in asked[:1] for value in field.values}
    return dict(usual_event_names(filter(is_label, names)))


def decoded_in(fields: Sequence[FieldValues], columns: Mapping[str, str]) -> dict[str, str]:
    """Return expressions for user agents and referrers whose values are percent-encoded, as Akamai writes them.

    Args:
        fields: The fields of the sampled lines.
        columns: The suggested field of each column.
    """
    found = {field.name: field for field in fields}
    expressions = {}
    for column, signs in ENCODED_SIGNS.items():
        name = columns.get(column, "")
        if name in found and found[name].values and found[name].is_mostly(_is_encoded):
            text = f"line ->> {literal(name)}"
            if column == "user_agent":
                text = f"replace({text}, '+', ' ')"
            for sign in signs:
                text = f"replace({text}, '{quote(sign, safe='')}', '{sign}')"
            expressions[column] = text
    return expressions


def _is_encoded(text: str) -> bool:
    return ENCODED.fullmatch(text) is not None and "://" not in text
