-- One row is an action and one that is first done after it, on a day of a site, by dimension value.
-- Only first times are compared, so a session has at most as many pairs as it has pairs of actions.
with segments as (
    select distinct
        segment_number,
        dimension,
        dimension_value
    from session_segments
),

counted as (
    select
        s.segment_number,
        f.label_number,
        n.label_number as next_label_number,
        count(*) as session_count,
        count(*) filter (where f.is_converted) as converted_count,
        count(*) filter (where n.is_converted) as converted_after_count
    from first_actions as f
    inner join first_actions as n
        on f.session_number = n.session_number and f.event_number < n.event_number
    inner join session_segments as s
        on f.session_number = s.session_number
    where f.is_followed and n.is_followed
    group by s.segment_number, f.label_number, n.label_number
)

select
    f.session_date,
    f.site,
    s.dimension,
    s.dimension_value,
    f.action,
    n.action as next_action,
    c.session_count,
    c.converted_count,
    c.converted_after_count
from counted as c
inner join segments as s
    on c.segment_number = s.segment_number
inner join numbered_actions as f
    on c.label_number = f.label_number
inner join numbered_actions as n
    on c.next_label_number = n.label_number
