"""Suggests how the requests in a server's log of JSON or CSV are read: the fields of method, target, host and scheme.

A log is recognized by its values: one field has HTTP methods, and one begins with / or http. suggestions.py suggests
the other columns.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from session_pipeline.trial.field_names import TOP_ONLY, USUAL_NAMES
from session_pipeline.trial.field_values import FieldValues
from session_pipeline.trial.suggested_addresses import possible_addresses
from session_pipeline.trial.suggestions import CAN_BE, HTTP_STATUS

METHOD = re.compile("GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE")
TARGET = re.compile("/|https?://")
HOST = re.compile(r"[\w.-]+(:\d+)?")
SCHEME = re.compile("https?", re.IGNORECASE)
REQUEST_LINE = re.compile(r"[A-Z]+ \S.* HTTP/\d[\d.]*")
NO_VALUE = "-"
# Objects that log shippers add: the log, the machine and the container that a line comes from.
LOG_PATH = re.compile(r"/var/.*|/.*[._-]log([._-]\d[\d._-]*)?")
OF_SHIPPER = re.compile(r"(_source\.)?(log\.file|kubernetes|k8s|docker|container|agent|beat|host|cloud)\..*")
# Patterns for the last part of names in lower case, without separators.
TARGET_NAME = re.compile(r".*(uri|url|path|target|stem)")
HOST_NAME = re.compile(r"(cs|x|http|req|request)?(host|hostheader|authority|servername)|domain|vhost")
VISITED_HOST_NAME = re.compile("xhostheader")  # of CloudFront, whose cs(Host) is the domain of the distribution
HOST_OR_HOSTNAME = re.compile(r"host(_?name)?", re.IGNORECASE)
SCHEME_NAME = re.compile(r"(request|url)?scheme|csprotocol|protocol|(.*forwarded)?proto")
STATUS_NAME = re.compile(r".*status(code)?|(response|http)?code")
RESPONSE_NAME = re.compile("response")  # of Logstash's patterns; next to a status, it can be a time
QUERY_NAME = re.compile(r".*query(str(ing)?)?|args")
AGENT_NAME = re.compile(r".*useragent|agent|ua")
REFERRER_NAME = re.compile(r".*refer(er|rer)")


def suggested_request(
    fields: Sequence[FieldValues], visitor: str | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """Suggest the fields of a request, and of the columns that belong to it; empty if it is not a server's log.

    Of several fields that fit, the one in the same object as the method is used. A field with the whole first line of a
    request is used if there is no field of the method or of the target. Without either method or line, only lines with
    a target, a status and an address, and without names of events, are a server's log.

    Args:
        fields: The fields of the sampled lines, without the values - of a log, which mean that there is no value.
        visitor: The field with the visitor's address or host, which is not that of the page.

    Returns:
        The key `request`, and the field of each column.
    """
    filled = [field for field in fields if field.is_filled()]
    method = next((field for field in filled if field.is_mostly(METHOD.fullmatch)), None)
    line = next((field for field in filled if field.is_mostly(REQUEST_LINE.fullmatch)), None)
    near = [field for field in _sorted(fields, method or line) if field.name != visitor]

    def named(name: re.Pattern[str], fits: Callable[[str], object]) -> FieldValues | None:
        return next((each for each in near if name.fullmatch(_bare(each.name)) and each.is_mostly(fits)), None)

    target = named(TARGET_NAME, TARGET.match)
    status = named(STATUS_NAME, HTTP_STATUS.fullmatch) or named(RESPONSE_NAME, HTTP_STATUS.fullmatch)
    request: dict[str, str] = {}
    if target is not None and target.is_filled() and (method or (status and not line and _is_log(filled))):
        request = {"method": method.name} if method else {}
        query = named(QUERY_NAME, lambda text: not TARGET.match(text))
        if query is None or any("?" in str(value) for value in target.values):
            request["target"] = target.name
        else:
            request |= {"path": target.name, "query": query.name}
    elif line is not None:
        target, request = None, {"line": line.name}
    if not request:
        return {}, {}
    if target is None or not target.is_mostly(lambda text: text.startswith("http")):
        host = named(VISITED_HOST_NAME, HOST.fullmatch) or named(HOST_NAME, HOST.fullmatch)
        found = {"host": host, "scheme": named(SCHEME_NAME, SCHEME.fullmatch)}
        request |= {key: field.name for key, field in found.items() if field is not None}
    columns = {
        "status_code": status,
        "user_agent": named(AGENT_NAME, lambda text: True),
        "referrer": named(REFERRER_NAME, lambda text: True),
    }
    return request, {column: field.name for column, field in columns.items() if field is not None}


def _is_log(filled: Sequence[FieldValues]) -> bool:
    """Whether lines that have a target and a status are a server's log: they have addresses and no names of events."""
    has_events = any(
        field.name in USUAL_NAMES["event_name"]
        and CAN_BE["event_name"](field)
        and (field.name not in TOP_ONLY or field.different_count > 1)
        for field in filled
    )
    return bool(possible_addresses(filled)) and not has_events


def _sorted(fields: Sequence[FieldValues], anchor: FieldValues | None) -> list[FieldValues]:
    """Return the fields that can belong to a request, those in the same object as `anchor` first.

    Log shippers add the path of the log and the machine that it is on, which has a name without a dot or, in Logstash
    and Vector, any name. Of a list of texts, as headers are written, the first one counts.
    """
    names = {field.name for field in fields}
    shipper = {
        *(("host",) if {"@version", "source_type"} & names else ()),
        *(field.name for field in fields if OF_SHIPPER.fullmatch(field.name) or _is_machine(field)),
        *(field.name for field in fields if field.is_mostly(LOG_PATH.fullmatch)),
    }
    firsts = [_first_of_list(field) if isinstance(field.values[0], list) else field for field in fields]
    parent = anchor.name.rpartition(".")[0] if anchor is not None else ""
    kept = [field for field in firsts if field.name not in shipper]
    return sorted(kept, key=lambda field: (field.name.rpartition(".")[0] != parent, field.name))


def _is_machine(field: FieldValues) -> bool:
    """Whether a field called host has names of machines: without a dot, which a site on the web has."""
    return HOST_OR_HOSTNAME.fullmatch(field.name) is not None and not field.is_mostly(lambda text: "." in text)


def _first_of_list(field: FieldValues) -> FieldValues:
    values = [value[0] for value in field.values if isinstance(value, list) and value]
    return replace(field, name=f"{field.name}.0", values=values)


def _bare(name: str) -> str:
    """Return the last part of a name; Elastic's user_agent.original and url.full are called like their objects."""
    own = re.sub(r"\.(0|original|full)$", "", name)
    return re.sub(r"[^a-z]", "", own.rpartition(".")[2].lower())
