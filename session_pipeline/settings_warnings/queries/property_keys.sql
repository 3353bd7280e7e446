-- One row is a key in the properties of the first $most_events events of the days that have any.
with sampled as (
    select properties
    from events
    where
        event_date between $first_day and $last_day
        and event_date in $days
        and properties is not null
    order by file_id, line_number
    limit $most_events
)

select distinct unnest(json_keys(properties)) as key
from sampled
order by key
limit $most_values
