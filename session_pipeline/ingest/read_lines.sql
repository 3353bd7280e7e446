-- One row is a line of a delivered file, in the file's order: what it says, or why it is set aside.
-- Blank lines stay, empty, because a line's number is its row's place; and nothing here joins or
-- groups, which could lose the order. _given is contracts.DELIVERED_COLUMNS, in that order.
with lines as (
    select
        line,
        reason,
        detail,
        case
            when starts_with(line, '{') then '{'
            else coalesce(ltrim(line, e' \t\r'), '')
        end as _start,
        reason is null and json_valid(line) as _is_valid,
        may_be_lax(line) as _may_be_lax
    from delivered_lines
),

checked as (
    select
        line,
        reason,
        detail,
        _start = '' as is_blank,
        starts_with(_start, '{') as _is_object,
        case when _may_be_lax then _is_valid and not is_lax(line) else _is_valid end as _is_json
    from lines
),

fields as (
    select
        *,
        case when _is_json and _is_object then json_extract_string(line, $paths) end as _given
    from checked
),

named as (
    select
        * exclude (_given),
        case when _given is not null then len(json_keys(line)) end as _key_count,
        list_count(_given) as _given_count,
        coalesce(nullif(_given[1], ''), $constants[1]) as event_id,
        coalesce(nullif(_given[2], ''), $constants[2]) as visitor_id,
        coalesce(nullif(_given[3], ''), $constants[3]) as user_id,
        coalesce(nullif(_given[4], ''), $constants[4]) as client_session_id,
        coalesce(nullif(_given[5], ''), $constants[5]) as _event_time,
        coalesce(nullif(_given[6], ''), $constants[6]) as _received_at,
        coalesce(nullif(_given[7], ''), $constants[7]) as _sequence,
        coalesce(nullif(_given[8], ''), $constants[8]) as event_name,
        coalesce(nullif(_given[9], ''), $constants[9]) as page_url,
        coalesce(nullif(_given[10], ''), $constants[10]) as page_title,
        coalesce(nullif(_given[11], ''), $constants[11]) as referrer,
        coalesce(nullif(_given[12], ''), $constants[12]) as utm_source,
        coalesce(nullif(_given[13], ''), $constants[13]) as utm_medium,
        coalesce(nullif(_given[14], ''), $constants[14]) as utm_campaign,
        coalesce(nullif(_given[15], ''), $constants[15]) as utm_term,
        coalesce(nullif(_given[16], ''), $constants[16]) as utm_content,
        coalesce(nullif(_given[17], ''), $constants[17]) as search_term,
        coalesce(nullif(_given[18], ''), $constants[18]) as element,
        coalesce(nullif(_given[19], ''), $constants[19]) as _status_code,
        coalesce(nullif(_given[20], ''), $constants[20]) as _value,
        coalesce(nullif(_given[21], ''), $constants[21]) as currency,
        coalesce(nullif(_given[22], ''), $constants[22]) as user_agent,
        coalesce(nullif(_given[23], ''), $constants[23]) as _properties
    from fields
),

typed as (
    select
        *,
        utc_time(_event_time, $local_starts, $local_offsets) as event_time,
        utc_time(_received_at, $local_starts, $local_offsets) as received_at,
        whole_number(_sequence) as sequence,
        whole_number(_status_code) as status_code,
        decimal_number(_value) as value,
        case
            when _properties is null or not starts_with(_properties, '{') then false
            when not json_valid(_properties) then false
            when may_be_lax(_properties) then not is_lax(_properties)
            else true
        end as _has_properties
    from named
),

-- What has no column: the line without its fields that have one, and what properties holds.
-- Merging takes away what is null, at any depth; a patch that is null itself would replace it all.
gathered as (
    select
        *,
        case
            when not _is_json or not _is_object then null
            when $fields_are_keys and _key_count = _given_count and _properties is null then null
            when $fields_are_keys and _key_count = _given_count and _has_properties
                then case
                    when regexp_matches(_properties, '\s|null') then json_merge_patch('{}', _properties)
                    else _properties
                end
            when _has_properties
                then json_merge_patch('{}', line, $mapped_fields, $properties_field, _properties)
            else json_merge_patch('{}', line, $mapped_fields)
        end as _rest
    from typed
),

judged as (
    select
        *,
        case
            when reason is not null then reason
            when is_blank then null
            when not _is_json then 'invalid_json'
            when not _is_object then 'not_an_object'
            when visitor_id is null then 'missing_visitor_id'
            when _event_time is null then 'missing_event_time'
            when event_name is null then 'missing_event_name'
            when event_time is null then 'invalid_event_time'
            when received_at is null and _received_at is not null then 'invalid_received_at'
            when sequence is null and _sequence is not null then 'invalid_sequence'
            when status_code is null and _status_code is not null then 'invalid_status_code'
            when value is null and _value is not null then 'invalid_value'
            when event_time < $earliest then 'time_before_start'
            when event_time >= $latest then 'time_beyond_2100'
            when event_time > received_at + $clock_tolerance then 'time_after_receipt'
        end as _reason
    from gathered
)

select
    is_blank,
    _reason as reason,
    case
        when detail is not null then detail
        when _reason = 'invalid_json' then 'the line is not JSON'
        when _reason = 'not_an_object' then 'the line is JSON, but not an object'
        when _reason = 'missing_visitor_id' then $labels[2]
        when _reason = 'missing_event_time' then $labels[5]
        when _reason = 'missing_event_name' then $labels[8]
        when _reason = 'invalid_received_at' then $labels[6] || ': ' || left(_received_at, 200)
        when _reason = 'invalid_sequence' then $labels[7] || ': ' || left(_sequence, 200)
        when _reason = 'invalid_status_code' then $labels[19] || ': ' || left(_status_code, 200)
        when _reason = 'invalid_value' then $labels[20] || ': ' || left(_value, 200)
        when _reason = 'time_after_receipt'
            then $labels[5] || ': ' || left(_event_time, 200)
                || ', received at ' || left(_received_at, 200)
        when _reason is not null then $labels[5] || ': ' || left(_event_time, 200)
    end as detail,
    case when _reason is not null then line end as line,
    event_id,
    visitor_id,
    user_id,
    client_session_id,
    event_time,
    received_at,
    sequence,
    event_name,
    page_url,
    page_title,
    referrer,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    search_term,
    element,
    status_code,
    value,
    currency,
    user_agent,
    cast(nullif(
        case
            when regexp_matches(_rest, $dropped_key)
                then without_keys(_rest, $dropped_fields, $dropped_value)
            else _rest
        end,
        '{}'
    ) as varchar) as properties,
    md5(line) as content_hash
from judged
