-- One row is a field, by its place, and how many of its values are valid event times.
with read as (
    select
        place,
        utc_time(value, $starts, $offsets) as event_time
    from sampled_values
)

select
    place,
    count(*) as time_count
from read
where event_time >= $earliest and event_time < $latest
group by place
