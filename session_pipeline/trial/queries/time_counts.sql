-- One row is a field, by its place, how many of its values are valid event times, and how many
-- would be with an earlier start_date.
with read as (
    select
        place,
        utc_time(value, $starts, $offsets) as event_time
    from sampled_values
)

select
    place,
    count(*) filter (where event_time >= $earliest) as time_count,
    count(*) as readable_count
from read
where event_time >= $readable and event_time < $latest
group by place
