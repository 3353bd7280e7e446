"""Protects people in the texts of accepted lines: removes addresses, and hashes or reduces what [privacy] names.

Works on columns with a dictionary, so each distinct value is looked at once. addresses.py finds addresses by value;
mapping/removed_fields.py drops properties by name.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.mapping.removed_fields import pattern_of_keys
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.visitors import PROPERTY_PURPOSE, USER_PURPOSE, VisitorKey
from session_pipeline.ingest.reading.addresses import (
    MAY_HAVE_ADDRESS,
    is_address,
    plain_address,
    without_address,
    without_address_in_url,
    without_addresses_in_json,
)
from session_pipeline.ingest.sql import macros
from session_pipeline.reference.user_agents import LOOKED_AT_CHARACTERS, reduced_agent

Texts = dict[str, pa.DictionaryArray]
Change = Callable[[str], str | None]

_DECODER = json.JSONDecoder(parse_int=str)  # Python refuses to convert integers of more than 4,300 digits
_EXACT: Mapping[str, Change] = {
    # An address identifies no user and no session.
    "user_id": lambda text: None if is_address(text) else text,
    "client_session_id": lambda text: None if is_address(text) else text,
    "page_url": without_address_in_url,
    "referrer": without_address_in_url,
    "properties": without_addresses_in_json,
    **dict.fromkeys(
        (
            "event_name", "page_title", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
            "search_term", "element", "currency", "user_agent",
        ),
        without_address,
    ),
}  # fmt: skip


def protected(
    texts: Texts, rules: ReadingRules, connection: duckdb.DuckDBPyConnection
) -> tuple[Texts, pa.Array | None]:
    """Return the columns of accepted lines without addresses, and as the settings of [privacy] say.

    Also returns the rows whose visitor id was an address, and is now derived with the visitor key; None: no row.

    Args:
        texts: The columns, by name, in the order of the lines.
        rules: The rules of their source.
        connection: A connection without the visitor key.
    """
    found = dict(texts)
    found["visitor_id"], addressed = _visitors(texts["visitor_id"], texts["user_agent"], rules, connection)
    if rules.hash_properties:
        found["properties"] = _changed_where(
            found["properties"], pattern_of_keys(rules.hash_properties), partial(_with_hashes, rules=rules)
        )
    for name, change in _EXACT.items():
        found[name] = _changed_where(found[name], MAY_HAVE_ADDRESS, change)
    if rules.has_keyed_users:
        found["user_id"] = _changed(found["user_id"], partial(_keyed_user, rules=rules))
    if rules.has_reduced_agents:
        found["user_agent"] = _changed(found["user_agent"], _reducing(rules, connection))
    return found, addressed


def _visitors(
    visitors: pa.DictionaryArray, agents: pa.DictionaryArray, rules: ReadingRules, connection: duckdb.DuckDBPyConnection
) -> tuple[pa.DictionaryArray, pa.Array | None]:
    """Return visitor ids, and the rows whose id was an address; None if there are none.

    Such an id becomes what visitor_address makes of it: a keyed hash of network and user agent.
    """
    values = visitors.dictionary
    chosen = [
        number
        for number in pc.indices_nonzero(pc.match_substring_regex(values, MAY_HAVE_ADDRESS)).to_pylist()
        if is_address(values[number].as_py())
    ]
    if not chosen:
        return visitors, None
    assert rules.visitor_key is not None, "ids that are addresses need a key"
    rows = pc.indices_nonzero(pc.is_in(visitors.indices, pa.array(chosen, visitors.indices.type)))
    addresses = [plain_address(values[number].as_py()) for number in chosen]
    plain = dict(zip(chosen, addresses, strict=True))
    given = pa.table(
        [pa.array([plain[code] for code in visitors.indices.take(rows).to_pylist()], pa.string()),
         agents.take(rows).dictionary_decode()],
        names=["address", "agent"],
    )  # fmt: skip
    connection.execute(macros("visitor_ids"))
    rules.visitor_key.give_to(connection)
    connection.register("addressed", given)
    try:
        made = connection.sql("select visitor_of(address, agent) as visitor_id from addressed").to_arrow_table()
    finally:
        connection.unregister("addressed")
        VisitorKey.take_from(connection)
    mask = pc.is_in(pa.array(range(len(visitors)), pa.uint64()), rows)
    ids = pc.replace_with_mask(visitors.dictionary_decode(), mask, made.column("visitor_id").combine_chunks())
    return ids.dictionary_encode(), rows


def _keyed(purpose: str, text: str, rules: ReadingRules) -> str:
    assert rules.visitor_key is not None, "keyed hashes need a key"
    return rules.visitor_key.keyed(purpose, text)


def _keyed_user(text: str, rules: ReadingRules) -> str:
    return text if text in rules.plain_users else _keyed(USER_PURPOSE, text, rules)


def _with_hashes(properties: str, rules: ReadingRules) -> str:
    """Return properties in which the values of the keys in hash_properties are keyed hashes, at any depth.

    A text is hashed as its characters, any other value as its JSON. Null stays out.
    """
    parts, end = [], 0
    for found in re.finditer(pattern_of_keys(rules.hash_properties), properties):
        if found.start() < end:
            continue  # within a value that is hashed
        value, after = _DECODER.raw_decode(properties, found.end())
        text = value if isinstance(value, str) else properties[found.end() : after]
        parts += [properties[end : found.end()], f'"{_keyed(PROPERTY_PURPOSE, text, rules)}"']
        end = after
    return "".join([*parts, properties[end:]])


def _reducing(rules: ReadingRules, connection: duckdb.DuckDBPyConnection) -> Change:
    """Return a function that reduces user agents, except those of bots and those that a pattern of [bots] matches."""
    patterns = [
        f"regexp_matches(left(agent, {LOOKED_AT_CHARACTERS}), {literal(each)})" for each in rules.agent_patterns
    ]
    is_ruled = f"select {' or '.join(patterns)} from (select $1 as agent)"

    def reduce(text: str) -> str:
        if patterns and connection.execute(is_ruled, [text]).fetchall() == [(True,)]:
            return text
        return reduced_agent(text)

    return reduce


def _changed(column: pa.DictionaryArray, change: Change) -> pa.DictionaryArray:
    """Return a column in which all distinct values are changed."""
    values = pa.array([change(text) for text in column.dictionary.to_pylist()], pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(values.indices.take(column.indices), values.dictionary)


def _changed_where(column: pa.DictionaryArray, pattern: str, change: Change) -> pa.DictionaryArray:
    """Return a column in which the distinct values that contain a pattern are changed."""
    values = column.dictionary
    chosen = pc.indices_nonzero(pc.match_substring_regex(values, pattern))
    if not len(chosen):
        return column
    before = values.take(chosen).to_pylist()
    after = [change(text) for text in before]
    if before == after:
        return column
    mask = pc.is_in(pa.array(range(len(values)), pa.uint64()), chosen)
    values = pc.replace_with_mask(values, mask, pa.array(after, pa.string())).dictionary_encode()
    return pa.DictionaryArray.from_arrays(values.indices.take(column.indices), values.dictionary)
