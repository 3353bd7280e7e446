-- One row is a day and the beginning of a path that more actions than $largest_count continue in
-- different ways, with two of them.
-- Only the first $most_characters characters and $most_parts parts of an action count: scanners
-- request paths of thousands of parts.
with actions as (
    select
        event_date,
        left(action, $most_characters) as action
    from action_labels
    where starts_with(action, '/')
),

parts as (
    select
        event_date,
        action,
        array_slice(string_split(action, '/'), 1, $most_parts + 1) as segments
    from actions
),

places as (
    select
        event_date,
        action,
        segments,
        unnest(range(2, array_length(segments) + 1)) as place
    from parts
),

continued as (
    select
        event_date,
        action,
        array_to_string(array_slice(segments, 1, place - 1), '/') || '/' as prefix,
        segments[place] as segment
    from places
)

select
    event_date,
    prefix,
    count(distinct segment) as value_count,
    min(action) as first_action,
    max(action) as last_action
from continued
group by event_date, prefix
having count(distinct segment) > $largest_count
order by event_date asc, value_count desc, prefix asc
