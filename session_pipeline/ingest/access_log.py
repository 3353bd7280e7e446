"""Converts lines of an access log to lines of JSON, which are then read like those of any other source.

An access log contains no event names and no visitor ids. The event name follows from the request: page_view, asset,
submit (POST, PUT, PATCH, DELETE), or request for everything else that shows no page. The visitor id is a keyed hash of
network and user agent. The output contains no addresses.

Produces SQL only; read.py runs it. reference/log_formats.py describes the log formats.
"""

from collections.abc import Mapping

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.rules import ReadingRules
from session_pipeline.reference.log_formats import (
    ADDRESSES,
    OTHER_LOG_FORMAT,
    LogFormat,
    other_formats,
    parse_log_format,
)
from session_pipeline.reference.log_values import NUMBERS

REQUEST = r"^([A-Z][A-Z_-]*) (\S.*?)(?: (HTTP/[0-9][0-9.]*))?$"
REDIRECTS = "'301', '302', '303', '307', '308'"  # they show no page; the next page has its own line
# Fields that become columns of events or parts of columns.
TAKEN = frozenset(
    ("event_time", "user_id", "status_code", "referrer", "user_agent", "request", "method", "protocol", "target",
     "path", "query", "host", "scheme", *ADDRESSES)
)  # fmt: skip


def parsed_lines(lines: str, rules: ReadingRules) -> str:
    """Return a SELECT of (line, reason, detail) that converts the log lines of another such SELECT to JSON."""
    log_format, others = parse_log_format(rules.log_format), other_formats(rules.log_format)
    groups = [f"g{number}" for number in range(len(log_format.fields))]
    found = {name: f"_{group}" for name, group in zip(log_format.names, groups, strict=True)}
    fields = ", ".join(f"nullif(nullif(_found.{group}, ''), '-') as _{group}" for group in groups)

    def field(name: str) -> str:
        return found.get(name, "cast(null as varchar)")

    query = f"case when starts_with({field('query')}, '?') then {field('query')} else '?' || {field('query')} end"
    host = literal(rules.host) if rules.host else "cast(null as varchar)"
    return f"""
        with matched as (
            select
                line, reason, detail,
                coalesce(ltrim(line, e' \\t\\r'), '') = '' as _is_blank,
                case
                    when reason is null then regexp_extract(line, {literal(log_format.pattern)}, {groups})
                end as _found
            from ({lines})
        ),

        fields as (
            select line, reason, detail, _is_blank, {fields}
            from matched
        ),

        requests as (
            select
                *,
                regexp_extract({field("request")}, {literal(REQUEST)}, ['method', 'target', 'protocol']) as _said,
                {_visitor_address(log_format, found)} as _address
            from fields
        ),

        asked as (
            select
                *,
                coalesce({field("method")}, nullif(_said.method, '')) as _method,
                percent_encoded(coalesce(
                    nullif(_said.target, ''), {field("target")}, {field("path")} || coalesce({query}, '')
                )) as _target,
                coalesce({field("protocol")}, nullif(_said.protocol, '')) as _protocol
            from requests
        ),

        located as (
            select
                *,
                case
                    when not starts_with(_target, '/')
                        then case when regexp_matches(_target, '^[A-Za-z][A-Za-z0-9+.-]*://') then _target end
                    when coalesce({field("host")}, {host}) is not null
                        then coalesce({field("scheme")} || ':', '') || '//' || coalesce({field("host")}, {host})
                            || _target
                    when starts_with(_target, '//') then '/' || ltrim(_target, '/')
                    else _target
                end as _page_url
            from asked
        ),

        judged as (
            select
                *,
                case
                    when reason is not null then reason
                    when _is_blank then null
                    when {field("event_time")} is null then {_why_it_does_not_fit(others)}
                    when _method is null or _target is null then 'invalid_request'
                end as _reason
            from located
        ),

        written as (
            select
                *,
                {_addresses(found)} as _addresses,
                left(unescaped({field("request")}), 200) as _request,
                reason is not null or not _is_blank and {field("event_time")} is null as _is_unread,
                case when not _is_blank and {field("event_time")} is not null then {_as_json(log_format, found)} end
                    as _json
            from judged
        ),

        stripped as (
            select
                *,
                case
                    when _is_unread then {_without_address_words(log_format, others)}
                    else {_without_addresses("_json", found)}
                end as _line,
                case when may_have_other_forms(_json, _addresses) then other_forms(_addresses) end as _other_forms
            from written
        )

        select
            case when _other_forms is null then _line else regexp_replace(_line, _other_forms, '[address]', 'gi') end
                as line,
            _reason as reason,
            case
                when _reason = 'invalid_request' then {_without_addresses("_request", found)}
                when reason is null and _is_unread then {_how_to_read(rules, others)}
                else detail
            end as detail
        from stripped
    """


def origins(rules: ReadingRules) -> dict[str, str]:
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


def _as_json(log_format: LogFormat, found: dict[str, str]) -> str:
    def field(name: str) -> str:
        return found.get(name, "cast(null as varchar)")

    agent = f"unescaped({field('user_agent')})"
    members = {
        "visitor_id": f"visitor_of(_address, {agent})",
        "event_time": f"log_time({field('event_time')})",
        "event_name": f"""
            case
                when _method in ('POST', 'PUT', 'PATCH', 'DELETE') then 'submit'
                when _method <> 'GET' then 'request'
                when is_asset(without_query(_page_url)) then 'asset'
                when _page_url is null or {field("status_code")} in ({REDIRECTS}) then 'request'
                else 'page_view'
            end
        """,
        "page_url": "_page_url",
        "status_code": field("status_code"),
        "referrer": f"percent_encoded({field('referrer')})",
        "user_agent": agent,
        "user_id": f"unescaped({field('user_id')})",
        "method": "_method",
        "protocol": "_protocol",
        "request": f"case when _reason is not null then unescaped({field('request')}) end",
    }
    for name in log_format.names:
        if name not in TAKEN:
            text = f"without_address_values(unescaped({found[name]}))"
            members[name] = f"number_or_text({found[name]})" if name in NUMBERS else text
    pairs = ", ".join(f"{literal(name)}, {value}" for name, value in members.items())
    return f"cast(json_object({pairs}) as varchar)"


def _visitor_address(log_format: LogFormat, found: dict[str, str]) -> str:
    """Return an expression for the address that identifies the visitor best.

    Values from proxies are used only if they are IP addresses.
    """
    said = [name for name in ADDRESSES if name in log_format.names]
    candidates = [
        f"address_of(trim(split_part({found[name]}, ',', 1)))"
        if name == "forwarded_for"
        else f"address_of({found[name]})"
        for name in said
    ]
    names_of_hosts = [found[name] for name in said if name in ("remote_address", "client_address")]
    return f"coalesce({', '.join([*candidates, *names_of_hosts, 'cast(null as varchar)'])})"


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
        f"when regexp_matches(line, {literal(other.pattern)}) then {literal(OTHER_LOG_FORMAT + name)}"
        for name, other in others.items()
    ]
    return f"case {' '.join(cases)} else 'invalid_log_line' end"


def _how_to_read(rules: ReadingRules, others: Mapping[str, LogFormat]) -> str:
    """Return an expression that says why a line does not fit the format and how to fix that."""
    cases = [
        f"when {literal(OTHER_LOG_FORMAT + name)} then "
        + literal(f'the line fits {name}; set sources.{rules.source}.log_format = "{name}"')
        for name in others
    ]
    unknown = literal(f"the line does not fit log_format = {rules.log_format}, nor another known format")
    return f"case _reason {' '.join(cases)} else {unknown} end"


def _without_address_words(log_format: LogFormat, others: Mapping[str, LogFormat]) -> str:
    """Return an expression for a line that could not be read, without the word that contains the address.

    A host name can only be recognized by its position.
    """
    places = {f"'{OTHER_LOG_FORMAT}{name}'": other.words_before_address for name, other in others.items()}
    cases = [f"when {reason} then {_without_word(count)}" for reason, count in places.items() if count is not None]
    return f"case _reason {' '.join(cases)} else {_without_word(log_format.words_before_address)} end"


def _without_word(count: int | None) -> str:
    """Return an expression for a line in which [address] replaces the word after the first `count` words."""
    if count is None:
        return "line"
    word = rf"'^(\s*(?:\S+\s+){{{count}}})(\S+)'"
    return rf"regexp_replace(without_address(line, regexp_extract(line, {word}, 2)), {word}, '\1[address]')"
