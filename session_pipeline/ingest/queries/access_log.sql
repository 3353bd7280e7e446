-- One row is a line of an access log as JSON, in the log's order.
-- A line that does not fit the log format keeps its text, without its address.
-- What macros name several times is a column first, because DuckDB computes each mention again
-- within a CASE.
with matched as (
    select
        line,
        reason,
        detail,
        coalesce(ltrim(line, e' \t\r'), '') = '' as _is_blank,
        case when reason is null then regexp_extract(line, $pattern, $groups) end as _found
    from $lines
),

fields as (
    select
        line,
        reason,
        detail,
        _is_blank,
        $fields
    from matched
),

requests as (
    select
        *,
        regexp_extract(
            $request, $request_pattern, ['method', 'target', 'protocol']
        ) as _said,
        $visitor_address as _address,
        unescaped($user_agent) as _agent
    from fields
),

asked as (
    select
        *,
        coalesce($method, nullif(struct_extract(_said, 'method'), '')) as _method,
        percent_encoded(coalesce(
            nullif(struct_extract(_said, 'target'), ''), $target, $path || coalesce($path_query, '')
        )) as _target,
        coalesce($protocol, nullif(struct_extract(_said, 'protocol'), '')) as _protocol,
        coalesce(address_of(_address), _address) as _visitor_address
    from requests
),

located as (
    select
        *,
        case
            when not starts_with(_target, '/')
                then case
                    when regexp_matches(_target, '^[A-Za-z][A-Za-z0-9+.-]*://') then _target
                end
            when coalesce($host, $known_host) is not null
                then coalesce($scheme || ':', '') || '//' || coalesce($host, $known_host) || _target
            when starts_with(_target, '//') then '/' || ltrim(_target, '/')
            else _target
        end as _page_url,
        network_of(_visitor_address) as _network
    from asked
),

with_reasons as (
    select
        *,
        case
            when reason is not null then reason
            when _is_blank then null
            when $event_time is null then $why_it_does_not_fit
            when _method is null or _target is null then 'invalid_request'
        end as _reason,
        visitor_in(_network, _agent) as _visitor_id
    from located
),

written as (
    select
        *,
        $addresses as _addresses,
        left(unescaped($request), 200) as _request,
        reason is not null or (not _is_blank and $event_time is null) as _is_unread,
        case
            when not _is_blank and $event_time is not null
                then cast(json_object($members) as varchar)
        end as _json
    from with_reasons
),

stripped as (
    select
        *,
        case
            when _is_unread then $line_without_word else $json_without_addresses
        end as _line,
        case
            when may_have_other_forms(_json, _addresses) then other_forms(_addresses)
        end as _other_forms
    from written
)

select
    case
        when _other_forms is null then _line
        else regexp_replace(_line, _other_forms, '[address]', 'gi')
    end as line,
    _reason as reason,
    case
        when _reason = 'invalid_request' then $request_without_addresses
        when reason is null and _is_unread then $how_to_read
        else detail
    end as detail
from stripped
