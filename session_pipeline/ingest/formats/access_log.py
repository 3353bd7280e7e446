"""Converts lines of an access log to lines of JSON, which are then read like those of any other source.

An access log contains no event names and no visitor ids. The event name follows from the request: page_view, asset,
submit (POST, PUT, PATCH, DELETE), or request for everything else that shows no page. The visitor id is a keyed hash of
network and user agent. The output contains no addresses.

Produces SQL only; reading/work.py runs it. reference/log_formats.py describes the log formats.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.formats.format import TextLines
from session_pipeline.ingest.sql import query
from session_pipeline.reference.log_formats import (
    ADDRESSES,
    OTHER_LOG_FORMAT,
    LogFormat,
    other_formats,
    parse_log_format,
)
from session_pipeline.reference.log_values import NUMBERS
from session_pipeline.settings import path_of_source

if TYPE_CHECKING:
    from session_pipeline.ingest.mapping.rules import ReadingRules

REQUEST = r"^([A-Z][A-Z_-]*) (\S.*?)(?: (HTTP/[0-9][0-9.]*))?$"
LOG_NAME = re.compile(r"(^|[._-])log([._-]\d[\d._-]*)?$")
NOTHING = "cast(null as varchar)"
# Fields that access_log.sql reads by name.
ASKED = ("event_time", "request", "method", "protocol", "target", "path", "query", "host", "scheme", "user_agent")
# Fields that become columns of events or parts of columns.
TAKEN = frozenset(
    ("event_time", "user_id", "status_code", "referrer", "user_agent", "request", "method", "protocol", "target",
     "path", "query", "host", "scheme", *ADDRESSES)
)  # fmt: skip


class AccessLog(TextLines):
    """Logs of web servers."""

    name = "access_log"
    has_own_visitors = True

    def fits_name(self, name: str) -> bool:
        """Whether a name is that of a log: access.log, access_log.1, access.log-20261005."""
        return LOG_NAME.search(name) is not None

    def as_json(self, lines: str, rules: "ReadingRules") -> str:
        """Return a SELECT of (line, reason, detail) that converts the log lines of another such SELECT to JSON."""
        log_format, others = parse_log_format(rules.log_format), other_formats(rules.log_format)
        groups = [f"g{number}" for number in range(len(log_format.fields))]
        found = {name: f"_{group}" for name, group in zip(log_format.names, groups, strict=True)}
        values = {name: found.get(name, NOTHING) for name in ASKED}
        query_text = values["query"]
        return query(
            "access_log",
            **values,
            lines=f"({lines})",
            pattern=literal(log_format.pattern),
            groups=groups,
            fields=", ".join(f"nullif(nullif(_found.{group}, ''), '-') as _{group}" for group in groups),
            request_pattern=literal(REQUEST),
            path_query=f"case when starts_with({query_text}, '?') then {query_text} else '?' || {query_text} end",
            known_host=known_host(rules),
            visitor_address=_visitor_address(log_format, found),
            why_it_does_not_fit=_why_it_does_not_fit(others),
            addresses=_addresses(found),
            members=_members(log_format, found),
            line_without_word=_without_address_words(log_format, others),
            json_without_addresses=_without_addresses("_json", found),
            request_without_addresses=_without_addresses("_request", found),
            how_to_read=_how_to_read(rules, others),
        )

    def origins(self, rules: "ReadingRules") -> dict[str, str]:
        """Return the origin of each column of an access log's events, as directives of the log format."""
        log_format = parse_log_format(rules.log_format)
        directives = {field.name: field.directive for field in log_format.fields}
        asked = [directives[name] for name in ("request", "method", "target", "path", "query") if name in directives]
        came = [directives[name] for name in (*ADDRESSES, "user_agent") if name in directives]
        located = [directives[name] for name in ("scheme", "host") if name in directives]
        return {
            **{name: directives[name] for name in ("event_time", "user_id", "status_code", "referrer", "user_agent")
               if name in directives},
            "visitor_id": f"keyed hash of {' '.join(came)}",
            "event_name": " ".join(asked),
            "page_url": " ".join([*located, *asked]),
        }  # fmt: skip


# Words that are certainly no name of a host: dates, times, levels of logs, quoted methods, directives, punctuation.
# Every other word can be one; a name without a dot, as in a local network, is not recognizable.
_DATE = (
    r"(?:19|20)\d\d[/-](?:0[1-9]|1[0-2])[/-](?:0[1-9]|[12]\d|3[01])"
    r"|\d\d/(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/(?:19|20)\d\d"
)
_TIME = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
NO_HOST = (
    rf"\[?(?:(?:{_DATE})(?:[T:]{_TIME})?|{_TIME})\]?"
    r"|\[:?(?:emerg|alert|crit|error|warn|notice|info|debug)\]|\[(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
    r'|"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE)'
    r"|#(?:Version|Fields|Software|Date|Start-Date|End-Date|Remark):|[!-/:-@\[-`{-~]+"
)


def known_host(rules: "ReadingRules") -> str:
    """Return an expression for the host of the source, for lines without one; null if the settings name none."""
    return literal(rules.host) if rules.host else NOTHING


def _members(log_format: LogFormat, found: dict[str, str]) -> str:
    """Return the arguments of json_object for a line."""

    def field(name: str) -> str:
        return found.get(name, NOTHING)

    status = f"nullif(nullif({field('status_code')}, '0'), '-1')"  # of proxies, if there was no response
    members = {
        "visitor_id": "_visitor_id",
        "event_time": f"log_time({field('event_time')})",
        "event_name": f"event_of_request(_method, _page_url, {status})",
        "page_url": "_page_url",
        "status_code": status,
        "referrer": f"percent_encoded({field('referrer')})",
        "user_agent": "_agent",
        "user_id": f"unescaped({field('user_id')})",
        "method": "_method",
        "protocol": "_protocol",
        "request": f"case when _reason is not null then unescaped({field('request')}) end",
    }
    for name in log_format.names:
        if name not in TAKEN:
            text = f"without_address_values(unescaped({found[name]}))"
            members[name] = f"number_or_text({found[name]})" if name in NUMBERS else text
    return ", ".join(f"{literal(name)}, {value}" for name, value in members.items())


def _visitor_address(log_format: LogFormat, found: dict[str, str]) -> str:
    """Return an expression for the address that identifies the visitor best.

    Values from proxies are used only if they are IP addresses.
    """
    addresses = [name for name in ADDRESSES if name in log_format.names]
    candidates = [
        f"address_of(trim(split_part({found[name]}, ',', 1)))"
        if name == "forwarded_for"
        else f"address_of({found[name]})"
        for name in addresses
    ]
    names_of_hosts = [found[name] for name in addresses if name in ("remote_address", "client_address")]
    return f"coalesce({', '.join([*candidates, *names_of_hosts, NOTHING])})"


def _addresses(found: dict[str, str]) -> str:
    """Return an expression for the list of all addresses of a line, as written in it."""
    lists = [
        f"list_transform(string_split({field}, ','), lambda written: address_of(trim(written)))"
        if name == "forwarded_for"
        else f"[{field}]"
        for name, field in found.items()
        if name in ADDRESSES
    ]
    return " || ".join(f"coalesce({each}, [])" for each in [*lists, "cast([] as varchar[])"])


def _without_addresses(text: str, found: dict[str, str]) -> str:
    """Return an expression for a text without the addresses of its line."""
    names = [name for name in found if name in ADDRESSES]
    if names == ["remote_address"]:
        return f"without_address({text}, {found[names[0]]})"
    return f"list_reduce(_addresses, lambda kept, address: without_address(kept, address), {text})"


def _why_it_does_not_fit(others: Mapping[str, LogFormat]) -> str:
    """Return an expression for the reason to quarantine a line that does not fit the log format.

    If the line fits another known format, the reason names that format.
    """
    cases = [
        f"when regexp_matches(line, {literal(other.sure_pattern)}) then {literal(OTHER_LOG_FORMAT + name)}"
        for name, other in others.items()
    ]
    return f"case {' '.join(cases)} else 'invalid_log_line' end"


def _how_to_read(rules: "ReadingRules", others: Mapping[str, LogFormat]) -> str:
    """Return an expression that says why a line does not fit the format and how to fix that."""
    cases = [
        f"when {literal(OTHER_LOG_FORMAT + name)} then "
        + literal(f'the line fits {name}; set {path_of_source(rules.source)}.log_format = "{name}"')
        for name in others
    ]
    unknown = literal(
        f"the line does not fit log_format = {rules.log_format}, nor another known format; write the server's own"
        f" LogFormat or log_format into {path_of_source(rules.source, 'log_format')}"
    )
    return f"case _reason {' '.join(cases)} else {unknown} end"


def _without_address_words(log_format: LogFormat, others: Mapping[str, LogFormat]) -> str:
    """Return an expression for a line that could not be read, without the word that contains the address.

    A host name can only be recognized by its position.
    """
    places = {f"'{OTHER_LOG_FORMAT}{name}'": other.words_before_address for name, other in others.items()}
    cases = [f"when {reason} then {_without_word(count)}" for reason, count in places.items() if count is not None]
    return f"case _reason {' '.join(cases)} else {_without_word(log_format.words_before_address)} end"


def _without_word(count: int | None) -> str:
    """Return an expression for a line in which [address] replaces the word after the first `count` words.

    A word that is neither an address nor a host name stays, so that lines of another log can be recognized.
    """
    if count is None:
        return "line"
    before = rf"^\s*(?:\S+\s+){{{count}}}"
    word = literal(rf"({before})(\S+)")
    replaced = rf"regexp_replace(without_address(line, regexp_extract(line, {word}, 2)), {word}, '\1[address]')"
    kept = literal(rf"{before}(?:{NO_HOST})(?:\s|$)")
    return f"case when regexp_matches(line, {kept}) then line else {replaced} end"
