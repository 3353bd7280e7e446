"""Suggests how the requests in a server's log of JSON or CSV are read: the fields of method, target, host and scheme.

A log is recognized by its values: one field has HTTP methods, and one begins with / or http. suggestions.py suggests
the other columns.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from session_pipeline.run.suggestions import FieldValues

METHOD = re.compile("GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE")
TARGET = re.compile("/|https?://")
HOST = re.compile(r"[\w.-]+(:\d+)?")
SCHEME = re.compile("https?")
STATUS = re.compile(r"[1-5]\d\d")
# Patterns for the last part of names in lower case, without separators.
TARGET_NAME = re.compile(r".*(uri|url|path|target|stem)")
HOST_NAME = re.compile(r"(cs|x|http|request)?(host|hostheader|authority|servername)")
SCHEME_NAME = re.compile(r"(request|url)?scheme|csprotocol|protocol")
STATUS_NAME = re.compile(r".*status(code)?")
QUERY_NAME = re.compile(r".*query(string)?")
AGENT_NAME = re.compile(r".*useragent")
REFERRER_NAME = re.compile(r".*refer(er|rer)")


def suggested_request(fields: Sequence[FieldValues]) -> tuple[dict[str, str], dict[str, str]]:
    """Suggest the fields of a request, and of the columns that belong to it; empty if the lines are no server's log.

    Of several fields that fit, one in the same object as the method is meant.

    Args:
        fields: The fields of the sampled lines.

    Returns:
        The key `request`, and the field of each column.
    """
    filled = [field for field in fields if field.is_filled()]
    method = next((field for field in filled if field.is_mostly(METHOD.fullmatch)), None)
    if method is None:
        return {}, {}
    parent = method.name.rpartition(".")[0]
    near = sorted(fields, key=lambda field: (field.name.rpartition(".")[0] != parent, field.name))

    def named(name: re.Pattern[str], fits: Callable[[str], object]) -> FieldValues | None:
        return next((each for each in near if name.fullmatch(_bare(each.name)) and each.is_mostly(fits)), None)

    target = named(TARGET_NAME, TARGET.match)
    if target is None or not target.is_filled():
        return {}, {}
    request = {"method": method.name, "target": target.name}
    query = named(QUERY_NAME, lambda text: not TARGET.match(text))
    if query is not None and not any("?" in str(value) for value in target.values):
        request = {"method": method.name, "path": target.name, "query": query.name}
    if not target.is_mostly(lambda text: text.startswith("http")):
        found = {"host": named(HOST_NAME, HOST.fullmatch), "scheme": named(SCHEME_NAME, SCHEME.fullmatch)}
        request |= {key: field.name for key, field in found.items() if field is not None}
    columns = {
        "status_code": named(STATUS_NAME, STATUS.fullmatch),
        "user_agent": named(AGENT_NAME, lambda text: True),
        "referrer": named(REFERRER_NAME, lambda text: True),
    }
    return request, {column: field.name for column, field in columns.items() if field is not None}


def with_request(
    keys: Mapping[str, object], columns: Mapping[str, str], of_request: tuple[dict[str, str], dict[str, str]]
) -> tuple[dict[str, object], dict[str, str]]:
    """Return suggested keys and columns with those of a request, from which event names and pages follow."""
    request, further = of_request
    kept = {column: name for column, name in columns.items() if column not in ("event_name", "page_url", "page_title")}
    all_columns = {**kept, **further}
    return {**keys, "request": request, "columns": all_columns}, all_columns


def _bare(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.rpartition(".")[2].lower())
