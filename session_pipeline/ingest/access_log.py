"""Lines of an access log as lines of JSON, so that they are read on like those of any other source.

An access log names no events and no visitors. An event's name follows from the request: page_view, asset, submit
(POST, PUT, PATCH, DELETE), or request for all that shows no page. A visitor is a keyed hash of network and user agent.
Addresses end here: what leaves has none. Knows log formats as SQL. Does not read anything.
"""

from session_pipeline.engines.duckdb import literal
from session_pipeline.ingest.rules import ReadingRules
from session_pipeline.log_formats import ADDRESSES, LogFormat, parse_log_format

REQUEST = r"^([A-Z][A-Z_-]*) (\S.*?)(?: (HTTP/[0-9][0-9.]*))?$"
REDIRECTS = "'301', '302', '303', '307', '308'"  # they show no page, and the page that they lead to is the next line
NUMBERS = frozenset(
    ("bytes", "bytes_sent", "bytes_received", "bytes_transferred", "port", "duration_seconds", "duration_milliseconds",
     "duration_microseconds")
)  # fmt: skip
# Fields that become columns of events, or parts of them.
TAKEN = frozenset(
    ("event_time", "user_id", "status_code", "referrer", "user_agent", "request", "method", "protocol", "target",
     "path", "query", "host", "scheme", *ADDRESSES)
)  # fmt: skip


def parsed_lines(lines: str, rules: ReadingRules) -> str:
    """A SELECT of (line, reason, detail) like the given one, with JSON in place of the log's own lines."""
    log_format = parse_log_format(rules.log_format)
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
                    when {field("event_time")} is null then 'invalid_log_line'
                    when _method is null or _target is null then 'invalid_request'
                end as _reason
            from located
        ),

        written as (
            select
                *,
                {_addresses(found)} as _addresses,
                left(unescaped({field("request")}), 200) as _request,
                case when not _is_blank and {field("event_time")} is not null then {_as_json(log_format, found)} end
                    as _json
            from judged
        )

        select
            case
                when reason is not null or _reason = 'invalid_log_line' then {_without_first_word(log_format)}
                else {_without_addresses("_json", found)}
            end as line,
            _reason as reason,
            case
                when _reason = 'invalid_log_line' then {literal(f"the line is not as this says: {rules.log_format}")}
                when _reason = 'invalid_request' then {_without_addresses("_request", found)}
                else detail
            end as detail
        from written
    """


def origins(rules: ReadingRules) -> dict[str, str]:
    """Where the columns of an access log's events come from, as its format writes them."""
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
    """The address that says best who came: of what proxies say, only what is an address."""
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
    """All addresses of a line, as they stand in it."""
    lists = [
        f"list_transform(string_split({field}, ','), lambda written: address_of(trim(written)))"
        if name == "forwarded_for"
        else f"[{field}]"
        for name, field in found.items()
        if name in ADDRESSES
    ]
    return " || ".join(f"coalesce({each}, [])" for each in [*lists, "cast([] as varchar[])"])


def _without_addresses(text: str, found: dict[str, str]) -> str:
    """A text without the addresses that stand in its own line."""
    names = [name for name in found if name in ADDRESSES]
    if names == ["remote_address"]:
        return f"without_address({text}, {found[names[0]]})"
    return f"list_reduce(_addresses, lambda kept, address: without_address(kept, address), {text})"


def _without_first_word(log_format: LogFormat) -> str:
    """A line that could not be read; what is no address by its looks, a host's name, is one by its place."""
    if not log_format.begins_with_address:
        return "line"
    return r"regexp_replace(without_address(line, regexp_extract(line, '^\s*(\S+)', 1)), '^\s*\S+', '[address]')"
