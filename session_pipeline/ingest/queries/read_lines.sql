-- One row is a line of a delivered file, in the file's order: its fields, or why it is quarantined.
-- Blank lines are kept as empty rows, because a row's position gives the line number. For the same
-- reason, this query has no join and no grouping, which could change the order. reading/work.py
-- turns off the optimizer that would make joins of long lists of constants.
with typed as (
    select
        *,
        $utc_time_of_event as _event_time,
        utc_time(received_at, $local_starts, $local_offsets) as _received_at,
        whole_number(sequence) as _sequence,
        whole_number(status_code) as _status_code,
        decimal_number(value) as _value,
        case
            when properties is null or not starts_with(properties, '{') then false
            else is_strict_json(properties)
        end as _has_properties
    from $given_lines
),

-- _rest is what has no column: the line's other fields, and the content of properties.
-- A merge removes keys with the value null, at any depth. A patch that is itself null would replace
-- the whole object. `others` has the other fields of lines of frequent shapes, which are merged
-- faster than whole lines.
gathered as (
    select
        *,
        case
            when not is_object then null
            when not has_other_fields and properties is null then null
            when not has_other_fields and _has_properties
                then case
                    when may_have_nulls or regexp_matches(properties, '\s|null|\\u')
                        then json_merge_patch('{}', properties)
                    else properties
                end
            when others is not null and _has_properties
                then json_merge_patch('{}', others, properties)
            when others is not null and properties is null
                then case
                    when contains(others, 'null') or contains(substr(others, 2), '{')
                        then json_merge_patch('{}', others)
                    else others
                end
            when _has_properties
                then json_merge_patch('{}', line, $mapped_fields, $properties_field, properties)
            else json_merge_patch('{}', line, $mapped_fields)
        end as _rest
    from typed
),

with_reasons as (
    select
        *,
        case
            when reason is not null then reason
            when is_blank then null
            when not is_json then 'invalid_json'
            when not is_object then 'not_an_object'
            when is_too_nested(line) then 'too_nested'
            when has_too_many_values(_rest) then 'too_many_values'
            when has_repeated_key then 'duplicate_key'
            when visitor_id is null then 'missing_visitor_id'
            when event_time is null then 'missing_event_time'
            when event_name is null then $why_no_event_name
            when _event_time is null then 'invalid_event_time'
            when _received_at is null and received_at is not null then 'invalid_received_at'
            when _sequence is null and sequence is not null then 'invalid_sequence'
            when _status_code is null and status_code is not null then 'invalid_status_code'
            when _value is null and value is not null then 'invalid_value'
            when _event_time < $earliest then 'time_before_start'
            when _event_time >= $latest then 'time_beyond_2100'
            when _event_time > _received_at + $clock_tolerance then 'time_after_receipt'
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
        when _reason = 'too_nested'
            then 'more than 200 objects or lists within each other, or more than 5000 of them'
        when _reason = 'too_many_values' then 'more than 10000 values'
        when _reason = 'duplicate_key' then 'a key occurs more than once in the object'
        when _reason = 'missing_visitor_id' then $label_of_visitor_id
        when _reason = 'missing_event_time' then $label_of_event_time
        when _reason = 'missing_event_name' then $label_of_event_name
        when _reason = 'invalid_request' then null
        when _reason = 'invalid_received_at'
            then $label_of_received_at || ': ' || left(received_at, 200)
        when _reason = 'invalid_sequence' then $label_of_sequence || ': ' || left(sequence, 200)
        when _reason = 'invalid_status_code'
            then $label_of_status_code || ': ' || left(status_code, 200)
        when _reason = 'invalid_value' then $label_of_value || ': ' || left(value, 200)
        when _reason = 'time_after_receipt'
            then
                $label_of_event_time || ': ' || left(event_time, 200)
                || ', received at ' || left(received_at, 200)
        when _reason is not null then $label_of_event_time || ': ' || left(event_time, 200)
    end as detail,
    case when _reason is not null then line end as line,
    case when is_whole_address(event_id) then null else event_id end as event_id,
    visitor_id,
    user_id,
    client_session_id,
    _event_time as event_time,
    _received_at as received_at,
    _sequence as sequence,
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
    _status_code as status_code,
    _value as value,
    currency,
    user_agent,
    cast(nullif(
        case
            when $has_dropped_key
                then without_keys(
                    -- The properties of a line without other fields are not merged above.
                    case when has_other_fields then _rest else json_merge_patch('{}', _rest) end,
                    $dropped_fields, $nested_field, $dropped_value
                )
            else _rest
        end,
        '{}'
    ) as varchar) as properties,
    md5(line) as content_hash,
    $event_in_line as event_in_line -- noqa: AL09
from with_reasons
