-- One row is a source with files of some days that overlap in time and have no event_id, and the
-- number of their events.
with files as (
    select
        source,
        accepted_count,
        first_event_time <= max(last_event_time) over (
            partition by source
            order by first_event_time, last_event_time, file_id
            rows between unbounded preceding and 1 preceding
        ) as _overlaps
    from source_files
    where
        status = 'accepted'
        -- These times are in UTC. A day of a site can begin before that of UTC, or end after it.
        and first_event_time < $last_day + interval 2 day
        and last_event_time >= $first_day - interval 1 day
        and json_extract_string(mapping, '$.event_id') is null
)

select
    source,
    cast(sum(accepted_count) as bigint) as event_count
from files
group by source
having bool_or(_overlaps)
order by source
