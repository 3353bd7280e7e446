-- One row is a day and the beginning of a path that more actions than $largest_count continue in
-- different ways, with two of them.
with parts as (
    select
        event_date,
        action,
        string_split(action, '/') as segments
    from action_labels
    where starts_with(action, '/')
),

places as (
    select
        event_date,
        action,
        segments,
        unnest(range(2, len(segments) + 1)) as place
    from parts
)

select
    event_date,
    array_to_string(segments[:place - 1], '/') || '/' as prefix,
    count(distinct segments[place]) as value_count,
    min(action) as first_action,
    max(action) as last_action
from places
group by event_date, array_to_string(segments[:place - 1], '/') || '/'
having count(distinct segments[place]) > $largest_count
order by event_date asc, value_count desc, prefix asc
