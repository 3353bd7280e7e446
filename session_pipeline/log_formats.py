"""Formats of access logs, as Apache's LogFormat and nginx's log_format write them, as patterns for their lines.

Sources: https://httpd.apache.org/docs/2.4/mod/mod_log_config.html and
https://nginx.org/en/docs/http/ngx_http_log_module.html. Knows what each directive stands for. Reads no line.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from session_pipeline.errors import SettingsError

NAMED_FORMATS: Mapping[str, str] = {
    "common": '%h %l %u %t "%r" %>s %b',
    "combined": '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
}

# What a directive is called among the fields of a line. Names that are columns of events become these.
APACHE: Mapping[str, str] = {
    "h": "remote_address", "a": "client_address", "l": "", "u": "user_id", "t": "event_time", "r": "request",
    "m": "method", "U": "path", "q": "query", "H": "protocol", "s": "status_code", "b": "bytes", "B": "bytes",
    "O": "bytes_sent", "I": "bytes_received", "S": "bytes_transferred", "v": "host", "V": "host", "p": "port",
    "D": "duration_microseconds", "T": "duration_seconds", "A": "", "X": "connection_status", "k": "keepalive_number",
    "L": "log_id", "P": "process_id", "R": "handler", "f": "file_name",
}  # fmt: skip
NGINX: Mapping[str, str] = {
    "remote_addr": "remote_address", "realip_remote_addr": "connection_address",
    "proxy_protocol_addr": "proxy_address", "remote_user": "user_id", "time_local": "event_time",
    "time_iso8601": "event_time", "msec": "event_time", "request": "request", "request_method": "method",
    "request_uri": "target", "uri": "path", "document_uri": "path", "args": "query", "query_string": "query",
    "server_protocol": "protocol", "status": "status_code", "body_bytes_sent": "bytes", "bytes_sent": "bytes_sent",
    "host": "host", "server_name": "host", "scheme": "scheme", "request_time": "duration_seconds",
    "server_addr": "", "proxy_add_x_forwarded_for": "forwarded_for", "binary_remote_addr": "",
}  # fmt: skip
HEADERS: Mapping[str, str] = {
    "referer": "referrer", "user-agent": "user_agent", "host": "host", "x-forwarded-for": "forwarded_for",
    "forwarded": "", "x-real-ip": "real_address", "x-client-ip": "stated_address",
    "true-client-ip": "true_client_address", "cf-connecting-ip": "connecting_address",
}  # fmt: skip

# Fields that hold addresses, from the one that says best who the visitor is. None of them is stored.
ADDRESSES = (
    "connecting_address", "true_client_address", "real_address", "stated_address", "forwarded_for", "proxy_address",
    "client_address", "remote_address", "connection_address",
)  # fmt: skip

APACHE_DIRECTIVE = re.compile(
    r"%(?:!?\d+(?:,\d+)*)?[<>]?(?:\{(?P<argument>[^}]*)\})?(?P<letter>\^[A-Za-z]{2}|[A-Za-z%])"
)
NGINX_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<bare>\w+))")
IS_NGINX = re.compile(r"\$\{?(?:time_|msec|request|uri|remote_|status)")
WITHOUT_SPACES = frozenset(
    ("method", "protocol", "status_code", "bytes", "host", "remote_address", "real_address", "scheme")
)


@dataclass(frozen=True)
class LogField:
    """A part of a line: what it is called, and the directive that stands for it."""

    name: str
    directive: str


@dataclass(frozen=True)
class LogFormat:
    """How the lines of an access log are made.

    Attributes:
        pattern: A regular expression (RE2) for a whole line, with a group for each field.
        fields: What the groups hold, in their order.
    """

    pattern: str
    fields: tuple[LogField, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What the fields are called."""
        return tuple(field.name for field in self.fields)

    @property
    def begins_with_address(self) -> bool:
        """Whether the first word of a line says who came, also of a line that the pattern does not fit."""
        return bool(self.fields) and self.fields[0].name in ADDRESSES and self.pattern.startswith("^(")


@lru_cache(maxsize=64)
def parse_log_format(written: str, key: str = "log_format") -> LogFormat:
    """The format that a name (common, combined) or a string of directives stands for.

    Raises:
        SettingsError: It has an unknown directive, or lacks time or request.
    """
    text = NAMED_FORMATS.get(written, written).replace('\\"', '"').replace("\\t", "\t")
    directives = NGINX_VARIABLE if IS_NGINX.search(text) else APACHE_DIRECTIVE
    fields: dict[str, LogField] = {}
    pattern, end, is_quoted = "^", 0, False
    for match in directives.finditer(text):
        between = text[end : match.start()]
        end = match.end()
        pattern += re.escape(between)
        is_quoted ^= between.count('"') % 2 == 1
        if match[0] == "%%":
            pattern += "%"
            continue
        name = _name_of(match, fields, key)
        values, before, after = _values_of(match, name, is_quoted), text[: match.start()], text[end:]
        if before.endswith('"') and after.startswith('"'):
            values = re.sub(r"\*\?$", "*", values)  # all up to the quote
        elif before.endswith("[") and after.startswith("]"):
            values = r"[^\]]*"
        group = f"({values})" if name else f"(?:{values})"
        pattern += rf"\[{group}\]" if _has_own_brackets(match) else group
        if name:
            fields[name] = LogField(name, match[0])
    pattern += re.escape(text[end:]) + "$"
    if "event_time" not in fields:
        raise SettingsError(key, "has no time", "write common, combined, or a format with %t or $time_local")
    if not {"request", "target", "path"} & fields.keys():
        raise SettingsError(key, "has no request", 'write common, combined, or a format with "%r" or "$request"')
    return LogFormat(pattern, tuple(fields.values()))


def _name_of(match: re.Match[str], taken: Collection[str], key: str) -> str:
    """What a directive is called; empty for one that is passed over.

    Of several directives for one field the first is taken, and others keep their own names, unless they are addresses.
    """
    groups = match.groupdict()
    if "letter" in groups:
        own = groups["argument"] or groups["letter"]
        name = _apache_name(groups["letter"], groups["argument"])
    else:
        own = groups["braced"] or groups["bare"]
        name = _nginx_name(own)
    if name is None:
        raise SettingsError(key, f"has {match[0]}, which is no directive of LogFormat", "mend it, or leave it out")
    if name in taken:
        return "" if name in ADDRESSES or own in taken else own
    return name


def _apache_name(letter: str, argument: str | None) -> str | None:
    if letter == "i" and argument:
        return HEADERS.get(argument.lower(), argument)
    if letter in ("o", "C", "e", "n", "x", "^ti", "^to") and argument:
        return argument
    if letter == "a" and argument == "c":
        return "connection_address"
    if letter == "T" and argument in ("ms", "us"):
        return {"ms": "duration_milliseconds", "us": "duration_microseconds"}[argument]
    return APACHE.get(letter)


def _nginx_name(variable: str) -> str:
    if variable.startswith("http_"):
        return HEADERS.get(variable.removeprefix("http_").replace("_", "-"), variable)
    return NGINX.get(variable, variable)


def _values_of(match: re.Match[str], name: str, is_quoted: bool) -> str:
    """A pattern for what can stand at a directive's place."""
    if _has_own_brackets(match):
        return r"[^\]]*"
    if match.groupdict().get("letter") == "q":
        return r'(?:\?(?:[^"\\]|\\.)*?)?'
    if is_quoted and name == "path":
        return r'(?:[^"\\?]|\\.)*?'
    if is_quoted:
        return r'(?:[^"\\]|\\.)*?'
    return r"\S+" if name in WITHOUT_SPACES else ".*?"


def _has_own_brackets(match: re.Match[str]) -> bool:
    """Whether it is Apache's %t, which writes [ and ] itself."""
    groups = match.groupdict()
    return groups.get("letter") == "t" and not groups["argument"]
