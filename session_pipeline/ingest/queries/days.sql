-- One row is a file and a UTC date on which the file has accepted lines.
-- quarters lists the quarter hours of the date, from 0 to 95, that have accepted lines.
with quarter_hours as (
    select
        file_id,
        cast(event_time as date) as utc_date,
        cast(
            extract(hour from event_time) * 4 + extract(minute from event_time) // 15 as integer
        ) as quarter_number,
        count(*) as row_count,
        min(event_time) as first_event_time,
        max(event_time) as last_event_time
    from accepted_lines
    group by file_id, utc_date, quarter_number
)

select
    file_id,
    utc_date,
    cast(sum(row_count) as bigint) as row_count,
    list_sort(list(quarter_number)) as quarters,
    min(first_event_time) as first_event_time,
    max(last_event_time) as last_event_time
from quarter_hours
group by file_id, utc_date
order by file_id, utc_date
