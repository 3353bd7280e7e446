-- One row is an event of a line of checked_lines, in the order of the lines and of their events.
-- In a line with a list of events, each event stands in the place of the list. A line without the
-- list, or with an empty one, is one event. So are lines that are quarantined: with a repeated key,
-- or with events that would repeat too much.
with listed as (
    select
        *,
        case
            when
                is_object
                and json_type(line, $pointer) = 'ARRAY'
                and list_unique(json_keys(line)) = len(json_keys(line))
                then cast(json_extract(line, $pointer) as json[])
        end as _events
    from $checked_lines
),

-- _rest is the line without its list, which each of its events repeats.
reduced as (
    select
        *,
        case
            when len(_events) > 0 then cast(json_merge_patch(line, $without_events) as varchar)
        end as _rest
    from listed
),

measured as (
    select
        *,
        coalesce(len(_events) * strlen(_rest) > $most_repeated_bytes, false) as _repeats_too_much
    from reduced
),

limited as (
    select
        * exclude (_rest, _repeats_too_much) replace ( -- noqa: AM04
            case when _rest is null or _repeats_too_much then line else _rest end as line,
            case when _repeats_too_much then 'too_many_events' else reason end as reason,
            case
                when _repeats_too_much
                    then 'its ' || len(_events) || ' events repeat too much of the line'
                else detail
            end as detail,
            case
                when _rest is null or _repeats_too_much then cast([null] as json[])
                else _events
            end as _events
        )
    from measured
),

unnested as (
    select
        * exclude (_events), -- noqa: AM04
        unnest(_events) as _event,
        unnest(range(1, len(_events) + 1)) as _number
    from limited
)

select
    * exclude (_event, _number) replace ( -- noqa: AM04
        case
            when _event is null then line
            else cast(
                json_merge_patch(line, $before_event || cast(_event as varchar) || $after_event)
                as varchar
            )
        end as line
    ),
    cast(_number as integer) as event_in_line
from unnested
