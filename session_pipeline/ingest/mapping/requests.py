"""Gives lines of a web server's log in JSON, CSV or W3C format the meaning that lines of an access log have.

The setting `request` names the fields that describe the request. Event name, page and visitor follow from it by the
same rules as in queries/access_log.sql. Produces SQL; line_fields.py says how a field of a line is read.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.formats.access_log import NOTHING, REQUEST, known_host
from session_pipeline.ingest.formats.w3c import W3c
from session_pipeline.ingest.mapping.rules import ReadingRules

# Fields of W3C logs, also of those in JSON, CSV and Parquet. Their user agents are percent-encoded.
ENCODED_AGENT = re.compile(r"(?i)cs[(_]user[-_]agent\)?")
KEPT_PARTS = ("method",)  # parts that stay in properties


def with_request(
    rules: ReadingRules, format: str, values: Mapping[str, str], field: Callable[[Sequence[str]], str]
) -> dict[str, str]:
    """Return the SQL of each column, with page and event name from the request where the line has none.

    Args:
        rules: The rules of the source.
        format: The format of the file. The format w3c has already decoded its user agents.
        values: The SQL of each column's value, by column.
        field: Returns the SQL of the first of some fields that has a value.
    """
    parts = {part: f"nullif({field(_names(rules, part))}, '')" for part in rules.request}
    line = parts.get("line", NOTHING)
    method = f"upper(coalesce({parts.get('method', NOTHING)}, {_group(line, 1)}))"
    path = parts.get("path", NOTHING)
    path_query = f"case when not contains({path}, '?') then '?' || ltrim({parts.get('query', NOTHING)}, '?') end"
    # Some logs have only the target in the field of the request line.
    line_target = f"coalesce({_group(line, 2)}, case when regexp_full_match({line}, '/\\S*') then {line} end)"
    target = f"coalesce({parts.get('target', NOTHING)}, {line_target}, {path} || coalesce({path_query}, ''))"
    # A log shipper can write an object about its own machine into the field `host`.
    named = parts.get("host", NOTHING)
    named = f"case when not starts_with({named}, '{{') then {named} end"
    host = f"coalesce({named}, {known_host(rules)})"
    # A macro repeats the SQL of its arguments, so nested macros grow exponentially. A lambda names a value once.
    located = f"[{target}, {host}, lower({parts.get('scheme', NOTHING)})]"
    page = f"list_transform([{located}], lambda r: page_of_request(r[1], r[2], r[3]))[1]"
    page_url = f"coalesce({values['page_url']}, {page})"
    asked = f"[{method}, {page_url}, {values['status_code']}]"
    name = f"list_transform([{asked}], lambda r: name_of_request(r[1], r[2], r[3]))[1]"
    is_encoded = format != W3c.name and any(map(ENCODED_AGENT.fullmatch, rules.fields_of("user_agent")))
    return {
        **values,
        "user_agent": f"decoded_words({values['user_agent']})" if is_encoded else values["user_agent"],
        "page_url": page_url,
        "event_name": f"coalesce({values['event_name']}, {name})",
        "referrer": f"percent_encoded({values['referrer']})",
    }


def visitor_address(rules: ReadingRules, fields: Sequence[str]) -> str:
    """Return the SQL of the address that identifies the visitor best.

    A field can contain a list of addresses, as proxies write them; the first one is the visitor's. Without an address,
    the last field is used as it is, because it can contain the name of a host. An empty or blank text is no address:
    its hash would make all such visitors one.

    Args:
        rules: The rules of the source.
        fields: The SQL of the fields with the address, the surest first.
    """
    as_written = f"nullif(trim({fields[-1]}, e' \\t\\r\\n'), '')"
    if len(fields) == 1 and not rules.request:
        return as_written
    firsts = [f"trim(split_part({field}, ',', 1))" for field in fields]
    candidates = [f"list_transform([{first}], lambda one: address_of(one))[1]" for first in firsts]
    return f"coalesce({', '.join([*candidates, as_written])})"


def request_fields(rules: ReadingRules) -> list[str]:
    """Return the fields with parts of the request that are not stored."""
    return [name for part in rules.request if part not in KEPT_PARTS for name in _names(rules, part)]


def request_origins(rules: ReadingRules) -> dict[str, str]:
    """Return the origin of each column that follows from the request."""
    if not rules.request:
        return {}
    located = [name for part in ("scheme", "host") if part in rules.request for name in _names(rules, part)]
    asked = asked_fields(rules)
    return {"event_name": " ".join(asked), "page_url": " ".join([*located, *asked])}


def asked_fields(rules: ReadingRules) -> list[str]:
    """Return the fields that say what was asked for. A line that has them, without a value, has no HTTP request."""
    parts = ("line", "method", "target", "path", "query")
    return [name for part in parts if part in rules.request for name in _names(rules, part)]


def _names(rules: ReadingRules, part: str) -> tuple[str, ...]:
    names = rules.request[part]
    return (names,) if isinstance(names, str) else names


def _group(line: str, number: int) -> str:
    return f"nullif(regexp_extract({line}, {literal(REQUEST)}, {number}), '')"
