"""Defines the values that each field of an access log can have, as regular expressions (RE2).

A pattern is as strict as the server's output allows, so that lines of another format do not match. log_formats.py
parses the directives.
"""

from collections.abc import Mapping

# Fields that contain numbers.
NUMBERS = frozenset(
    ("bytes", "bytes_sent", "bytes_received", "bytes_transferred", "port", "duration_seconds", "duration_milliseconds",
     "duration_microseconds")
)  # fmt: skip

HOST_OR_ADDRESS = (
    r"[\w.*-]+|\d{1,3}(?:\.\d{1,3}){3}:\d{1,5}|unix:"
    r"|\[?[0-9a-fA-F]{0,4}:[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]*(?:%[\w.-]+)?\]?(?::\d{1,5})?"
)
ADDRESS = r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}:[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]*"
NAME_OF_HOST = r"[\w.-]*[A-Za-z][\w.-]*"
HOST = r'\[[0-9a-fA-F:.]+\]|[^\s:,"\[\]]+'  # no comma, so that a list of addresses does not match
NUMBER = r"-|-?\d+(?:\.\d+)?"
WORD = r'[^\s"]+'
WORDS_AND_COMMAS = r'[^\s,"]+(?:, *[^\s,"]+)*'
# The name that identd gives: one word without a dot or colon, so that an address or host name does not match.
IDENTITY = r'-|[^\s".:\[\]]+'
# Apache and nginx do not escape spaces in user names. A '-' between spaces is an empty field, not part of a name.
_NAME_PART = r'(?:(?:[^\s"\\-]|\\\S)(?:[^\s"\\]|\\\S)*|-(?:[^\s"\\]|\\\S)+)'
USER = rf'-|""|(?:{_NAME_PART}(?: +{_NAME_PART})*)?'
CLF_TIME = r"\d{1,2}/[A-Za-z]{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
ISO_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[+-]\d\d:\d\d|Z)"  # of nginx without fractions
ENVOY_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
HAPROXY_TIME = r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3}"
# Envoy writes 0, and HAProxy -1, if there was no response.
PROXY_STATUS = r"\d{3}|-1|0|-"
CAPTURED = "[^|}]*"  # a header that HAProxy captured: it encodes these characters in it

QUOTED = r'(?:[^"\\]|\\.)*?'
QUOTED_PATH = r'(?:[^"\\?]|\\.)*?'
QUERY = r'(?:\?(?:[^"\\]|\\.)*?)?'
ANY = ".*?"

# By the name of the field, where the server itself writes the value.
OF_SERVER: Mapping[str, str] = {
    **dict.fromkeys(("remote_address", "client_address", "connection_address", "proxy_address"), HOST_OR_ADDRESS),
    **dict.fromkeys(NUMBERS, NUMBER),
    **dict.fromkeys(("method", "protocol", "scheme"), WORD),
    "forwarded_for": WORDS_AND_COMMAS,
    "host": HOST,
    "status_code": r"\d{3}|-",
    "user_id": USER,
}
# Clients can put any text in headers. Without quotes, only single words can be separated from the next field.
OF_BARE_HEADER: Mapping[str, str] = {
    **dict.fromkeys(("host", "real_address", "stated_address", "true_client_address", "connecting_address"), WORD),
    "forwarded_for": WORDS_AND_COMMAS,
}
# By the directive: Apache's letters and {argument}t, and nginx's variables.
OF_DIRECTIVE: Mapping[str, str] = {
    "%l": IDENTITY, "%A": HOST_OR_ADDRESS, "%t": CLF_TIME, "%q": QUERY,
    "%{sec}t": r"\d+", "%{msec}t": r"\d+", "%{usec}t": r"\d+",
    "$time_local": CLF_TIME, "$time_iso8601": ISO_TIME, "$msec": r"\d+\.\d+", "$server_addr": HOST_OR_ADDRESS,
    "$envoy_time": ENVOY_TIME, "$haproxy_time": HAPROXY_TIME, "$proxy_status": PROXY_STATUS, "$client_port": r"\d{1,5}",
    "$haproxy_queues": r"\d+/\d+",
}  # fmt: skip


def values_of(directive: str, name: str, *, is_header: bool, is_quoted: bool) -> str | None:
    """Return a pattern for what a server can write at the place of a directive; None if it can be any text.

    Args:
        directive: The directive, without parts that do not change its output: '%l', '%{sec}t', '$time_local'.
        name: The name of the field.
        is_header: Whether a client or a program, and not the server, controls the value.
        is_quoted: Whether the value is between double quotes.
    """
    if directive in OF_DIRECTIVE:
        return OF_DIRECTIVE[directive]
    if directive.startswith("$captured_"):
        return CAPTURED
    if is_header:
        return None if is_quoted else OF_BARE_HEADER.get(name)
    if is_quoted and name in ("user_id", "forwarded_for"):
        return None
    return OF_SERVER.get(name)
