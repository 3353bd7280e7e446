-- One row is an event of a line of checked_lines, in the order of the lines and of their events.
-- In a line with a list of events, each event stands in the place of the list. A line without the
-- list, or with an empty one, is one event. So is a line with a repeated key, which is quarantined.
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

reduced as (
    select
        * replace (
            case
                when len(_events) > 0 then cast(json_merge_patch(line, $without_events) as varchar)
                else line
            end as line,
            case when len(_events) > 0 then _events else cast([null] as json[]) end as _events
        )
    from listed
),

unnested as (
    select
        * exclude (_events), -- noqa: AM04
        unnest(_events) as _event,
        unnest(range(1, len(_events) + 1)) as _number
    from reduced
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
