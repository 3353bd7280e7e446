-- One row is a source whose latest events are in one of several files that begin at the same time
-- and end on different days, with more lines the later they end. So each has the lines of those
-- before. path is the file that ends last.
with accepted as (
    select
        source,
        path,
        first_event_time,
        last_event_time,
        max(last_event_time) over (partition by source) as _end_of_source,
        line_count,
        file_id,
        coalesce(
            line_count > lag(line_count) over later
            or last_event_time = lag(last_event_time) over later,
            true
        ) as _has_more_lines
    from source_files
    where status = 'accepted' and first_event_time is not null
    window
        later as (
            partition by source, first_event_time order by last_event_time, line_count, file_id
        )
)

select
    source,
    first_event_time,
    count(*) as file_count,
    max_by(path, (last_event_time, line_count, file_id)) as path
from accepted
group by source, first_event_time
having
    count(distinct cast(last_event_time as date)) >= $fewest_days
    and bool_and(_has_more_lines)
    and max(last_event_time) = max(_end_of_source)
order by source, first_event_time
