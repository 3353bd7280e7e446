"""Turns the format of an access log, written as Apache's LogFormat or nginx's log_format, into a pattern for its lines.

Sources: https://httpd.apache.org/docs/2.4/mod/mod_log_config.html and
https://nginx.org/en/docs/http/ngx_http_log_module.html;
https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/ and
https://doc.traefik.io/traefik/observability/access-logs/ for theirs;
https://doc.lighttpd.net/lighttpd2/mod_accesslog.html for lighttpd's default;
https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage for Envoy's default;
https://docs.haproxy.org/3.0/configuration.html (8.2.3) for HAProxy's httplog. ingest/formats/access_log.py reads the
lines.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from session_pipeline.errors import SettingsError
from session_pipeline.reference import log_values

_COMMON = '%h %l %u %t "%r" %>s %b'
_COMBINED = f'{_COMMON} "%{{Referer}}i" "%{{User-Agent}}i"'
_NGINX_COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
# The formats that servers and their packages define. If several fit a line, the first is suggested.
NAMED_FORMATS: Mapping[str, str] = {
    "common": _COMMON,
    "combined": _COMBINED,
    "vhost_common": f"%v {_COMMON}",
    "vhost_combined": '%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i"',  # of Debian
    "vhost_combined_without_port": f"%v {_COMBINED}",
    "combinedio": f"{_COMBINED} %I %O",
    "nginx_combined": _NGINX_COMBINED,  # nginx's default
    "nginx_main": f'{_NGINX_COMBINED} "$http_x_forwarded_for"',  # of nginx.org's packages
    "ingress_nginx": f"{_NGINX_COMBINED} $request_length $request_time [$proxy_upstream_name]"
    " [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time"
    " $upstream_status $req_id",  # of Kubernetes, its default
    "forwarded_combined": _COMBINED.replace("%h", "%{X-Forwarded-For}i"),  # of servers behind proxies
    "lighttpd": _COMBINED.replace("%l", "%V"),  # its default
    # Formats of other servers, in nginx's notation: Traefik's common, Envoy's default and HAProxy's httplog.
    "traefik": f'{_NGINX_COMBINED} $request_count "$router_name" "$server_url" ${{duration_milliseconds}}ms',
    "envoy": '[$envoy_time] "$request" $proxy_status $response_flags $bytes_received $bytes_sent'
    ' $duration_milliseconds $upstream_milliseconds "$http_x_forwarded_for" "$http_user_agent" "$request_id"'
    ' "$http_host" "$upstream_host"',
    "haproxy": "$remote_addr:$client_port [$haproxy_time] $frontend $backend $timers $proxy_status $bytes_sent"
    ' $request_cookie $response_cookie $termination $connections $haproxy_queues "$request"',
}
# Prefix of the quarantine reason of a line that fits another named format and not that of its source. The name follows.
OTHER_LOG_FORMAT = "log_format_is_"

# The field name of each directive. Fields with the name of an event column become that column.
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
    "server_addr": "", "server_url": "", "proxy_add_x_forwarded_for": "forwarded_for", "binary_remote_addr": "",
    # Not of nginx: of Envoy and HAProxy.
    "proxy_status": "status_code", "upstream_host": "", "client_port": "", "envoy_time": "event_time",
    "haproxy_time": "event_time", "request_cookie": "", "response_cookie": "", "captured_host": "host",
    "captured_referer": "referrer", "captured_user_agent": "user_agent", "captured_x_forwarded_for": "forwarded_for",
}  # fmt: skip
HEADERS: Mapping[str, str] = {
    "referer": "referrer", "user-agent": "user_agent", "host": "host", "x-forwarded-for": "forwarded_for",
    "forwarded": "", "x-real-ip": "real_address", "x-client-ip": "stated_address",
    "true-client-ip": "true_client_address", "cf-connecting-ip": "connecting_address",
}  # fmt: skip

# Fields that contain addresses, starting with the one that best identifies the visitor. None of them is stored.
ADDRESSES = (
    "connecting_address", "true_client_address", "real_address", "stated_address", "forwarded_for", "proxy_address",
    "client_address", "remote_address", "connection_address",
)  # fmt: skip

APACHE_DIRECTIVE = re.compile(
    r"%(?:!?\d+(?:,\d+)*)?[<>]?(?:\{(?P<argument>[^}]*)\})?(?P<letter>\^[A-Za-z]{2}|[A-Za-z%])"
)
NGINX_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<bare>\w+))")
_ADDRESS_AND_HOST = rf"({log_values.HOST_OR_ADDRESS})\ ({log_values.HOST})"
_ADDRESS_AND_NAME = rf"({log_values.ADDRESS})\ ({log_values.NAME_OF_HOST})"
_HOST_AND_ADDRESS = rf"^({log_values.HOST})\ ({log_values.HOST_OR_ADDRESS})"
_NAME_AND_ADDRESS = rf"^({log_values.NAME_OF_HOST})\ ({log_values.HOST_OR_ADDRESS})"
IS_NGINX = re.compile(r"\$\{?(?:time_|msec|request|uri|remote_|status)")
# Directives whose values the server does not control: headers, cookies, variables, notes.
FOREIGN = frozenset(("i", "o", "C", "e", "n", "x", "^ti", "^to"))


@dataclass(frozen=True)
class LogField:
    """A field of a line: its name, and the directive that writes it."""

    name: str
    directive: str


@dataclass(frozen=True)
class LogFormat:
    """The parsed format of the lines of an access log.

    Attributes:
        pattern: A regular expression (RE2) for a whole line, with one group per field.
        fields: The fields of the groups, in their order.
        words_before_address: Number of words of a line before the visitor's address; None if it is not fixed.
    """

    pattern: str
    fields: tuple[LogField, ...]
    words_before_address: int | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(field.name for field in self.fields)

    @property
    def sure_pattern(self) -> str:
        """The pattern for lines that are certainly in this format.

        Of a host just before or after the visitor's address, it only allows a name: in another format, an address
        there could be that of the visitor.
        """
        sure = self.pattern.replace(_ADDRESS_AND_HOST, _ADDRESS_AND_NAME)
        return sure.replace(_HOST_AND_ADDRESS, _NAME_AND_ADDRESS)


@lru_cache(maxsize=64)
def parse_log_format(written: str) -> LogFormat:
    """Parse a format, given by its name (combined, vhost_combined, ...) or as a string of directives.

    Raises:
        SettingsError: It has an unknown directive, or no time or request.
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
        name = _name_of(match, fields)
        values = _values_of(match, is_quoted, text[: match.start()], text[end:])
        group = f"({values})" if name else f"(?:{values})"
        pattern += rf"\[{group}\]" if _has_own_brackets(match) else group
        if name:
            fields[name] = LogField(name, match[0])
    pattern += re.escape(text[end:]) + "$"
    if "event_time" not in fields:
        names = "combined" if "%" in text or "$" in text else f"one of {', '.join(NAMED_FORMATS)}"
        raise SettingsError("log_format", "has no time", f"write {names}, or a format with %t or $time_local")
    if not {"request", "target", "path"} & fields.keys():
        raise SettingsError(
            "log_format", "has no request", 'write common, combined, or a format with "%r" or "$request"'
        )
    return LogFormat(pattern, tuple(fields.values()), _words_before_address(text, fields.values()))


def other_formats(written: str) -> dict[str, LogFormat]:
    """Return the named formats whose lines differ from those of a format, by name."""
    own = parse_log_format(written).pattern
    found = {name: parse_log_format(name) for name in NAMED_FORMATS}
    return {name: each for name, each in found.items() if each.pattern != own}


def _words_before_address(text: str, fields: Iterable[LogField]) -> int | None:
    """Return the number of words before the first address; None unless the server itself writes all of them."""
    before, directive = [], ""
    for field in fields:
        if field.name in ADDRESSES:
            directive = field.directive
            break
        before.append(field.name)
    start = text.find(directive) if directive else -1
    if start < 0 or not set(before) <= {"host", "port"} or text[:start].count(" ") != len(text[:start].split()):
        return None
    return text[:start].count(" ")


def _name_of(match: re.Match[str], taken: Collection[str]) -> str:
    """Return the field name of a directive; empty for a directive that is ignored.

    Of several directives for the same field, the first gets its name. The others keep their own names, or are ignored
    if they are addresses.
    """
    groups = match.groupdict()
    if "letter" in groups:
        own = groups["argument"] or groups["letter"]
        name = _apache_name(groups["letter"], groups["argument"])
    else:
        own = groups["braced"] or groups["bare"]
        name = _nginx_name(own)
    if name is None:
        raise SettingsError(
            "log_format", f"has {match[0]}, which is not a directive of LogFormat", "fix it or remove it"
        )
    if name in taken:
        return "" if name in ADDRESSES or own in taken else own
    return name


def _apache_name(letter: str, argument: str | None) -> str | None:
    if letter == "i" and argument:
        return HEADERS.get(argument.lower(), argument)
    if letter in FOREIGN and argument:
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


def _values_of(match: re.Match[str], is_quoted: bool, before: str, after: str) -> str:
    """Return a pattern for the values that can occur at the place of a directive."""
    groups = match.groupdict()
    if letter := groups.get("letter"):
        name, is_header = _apache_name(letter, groups["argument"]), letter in FOREIGN
        argument = re.sub("^(begin|end):", "", groups["argument"] or "")
        directive = f"%{{{argument}}}t" if letter == "t" and argument else f"%{letter}"
    else:
        variable = groups["braced"] or groups["bare"]
        name, is_header, directive = _nginx_name(variable), variable.startswith("http_"), f"${variable}"
    strict = log_values.values_of(directive, name or "", is_header=is_header, is_quoted=is_quoted)
    if strict is not None:
        return strict
    if before.endswith("[") and after.startswith("]"):
        return r"[^\]]*"
    if not is_quoted:
        return log_values.ANY
    values = log_values.QUOTED_PATH if name == "path" else log_values.QUOTED
    is_all = before.endswith('"') and after.startswith('"')
    return values.removesuffix("?") if is_all else values  # greedy: the value always ends at the quote


def _has_own_brackets(match: re.Match[str]) -> bool:
    """Whether the directive is Apache's %t, which writes [ and ] itself."""
    groups = match.groupdict()
    return groups.get("letter") == "t" and not groups["argument"]
