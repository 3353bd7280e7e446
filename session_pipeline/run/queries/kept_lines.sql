-- One row is a delivered file, with the number of its lines that events and duplicate_events still
-- have, of those whose raw events have expired.
with lines as (
    select
        file_id,
        event_time
    from events
    union all
    select
        file_id,
        event_time
    from duplicate_events
)

select
    file_id,
    count(*) as line_count
from lines
where event_time < $raw_from
group by file_id
