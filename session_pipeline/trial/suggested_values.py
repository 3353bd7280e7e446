"""Suggests how values are read: texts that mean no value, names of events, percent-encoded user agents, amounts.

suggested_keys.py combines these suggestions with the others.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.reference.usual_event_names import usual_event_names
from session_pipeline.settings import as_toml
from session_pipeline.settings.values import is_label, shown
from session_pipeline.trial.field_names import names_for
from session_pipeline.trial.field_values import DECIMAL, MOST, WITH_COMMA, FieldValues
from session_pipeline.trial.suggestions import field_of_value

NULLS = (r"\N", "NULL")  # as databases write null into text
# A value with %20 or %2F and without blanks is encoded. An encoded % is decoded last.
ENCODED = re.compile(r"\S*%2[0Ff]\S*")
ENCODED_SIGNS = {"user_agent": " ()/,;:=+%", "referrer": ":/?=&#+%"}

# A number with the sign or code of a currency, or with signs between thousands, such as $19.90, 1,234.50 or 19.90 EUR.
SIGN = r"[^\d\s.,'’+%_-]{1,4}\.?"
AMOUNT = re.compile(rf"[+-]?({SIGN})?\s?[+-]?\d[\d.,'’ \xa0\u202f]*({SIGN})?")
OF_NUMBER = re.compile(r"[^\d.,+-]+")
THOUSANDS = re.compile(r"\d,\d{3}[.,]")  # a comma that is surely no decimal comma


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
    asked = names_for("event_name", columns, rules)
    names = {str(value) for field in fields if field.name in asked[:1] for value in field.values}
    return dict(usual_event_names(filter(is_label, names)))


def amounts_in(
    fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str], expressions: Mapping[str, str]
) -> Iterator[str]:
    """Yield a sentence about the field of values if it has amounts that are not read, such as $19.90.

    Args:
        fields: The fields of the sampled lines.
        rules: How the lines are read at present.
        columns: The suggested field of each column.
        expressions: The suggested expressions, which those of the sentence include.
    """
    field = field_of_value(fields, rules, columns)
    if field is None:
        return
    has_comma = rules.decimal_comma or field.has_decimal_comma()
    texts = [value for value in field.values if isinstance(value, str)]
    others = [text for text in texts if not (WITH_COMMA if has_comma else DECIMAL).fullmatch(text)]
    amounts = [text for text in others if AMOUNT.fullmatch(text)]
    if not amounts or len(others) - len(amounts) > (1 - MOST) * len(texts):
        return
    keys = _keys_of_amounts(replace(field, values=amounts), expressions, has_comma=has_comma)
    other = f", or set {' and '.join(f'{key} = {as_toml(value)}' for key, value in keys.items())}" if keys else ""
    yield (
        f"{field.name} has values such as {shown(amounts[0])}, and only plain numbers such as 1234.50 are read:"
        f" export them so{other}"
    )


def _keys_of_amounts(amounts: FieldValues, expressions: Mapping[str, str], *, has_comma: bool) -> dict[str, Any]:
    """Return keys of the source with which some amounts are read.

    Nothing if it is not sure what the numbers are, as of 1,234, or if there are several currencies.
    """
    texts = [str(text) for text in amounts.values]
    signs = sorted({sign for text in texts for sign in OF_NUMBER.findall(text)})
    if len(signs) > 1 or not all(sign.isprintable() for sign in signs):
        return {}
    if any(map(THOUSANDS.search, texts)):
        signs.append(",")
    expression = f"line ->> {literal(amounts.name)}"
    for sign in signs:
        texts = [text.replace(sign, "") for text in texts]
        expression = f"replace({expression}, {literal(sign)}, '')"
    keys: dict[str, Any] = {"expressions": {**expressions, "value": expression}}
    plain = replace(amounts, values=texts)
    if has_comma:
        return keys if plain.is_mostly(WITH_COMMA.fullmatch, 1) else {}
    if plain.is_mostly(DECIMAL.fullmatch, 1):
        return keys
    return {"decimal_comma": True, **keys} if plain.has_decimal_comma() else {}


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
