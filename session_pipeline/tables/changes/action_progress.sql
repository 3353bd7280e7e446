-- One row is an action and one that is first done after it, on a day of a site, by dimension value.
-- Only first times are compared, so a session has at most as many pairs as it has pairs of actions.
select
    f.session_date,
    f.site,
    s.dimension,
    s.dimension_value,
    f.action,
    n.action as next_action,
    count(*) as session_count,
    count(*) filter (where f.is_converted) as converted_count,
    count(*) filter (where n.is_converted) as converted_after_count
from first_actions as f
inner join first_actions as n
    on f.session_id = n.session_id and f.event_number < n.event_number
inner join session_segments as s
    on f.session_id = s.session_id
where f.is_followed and n.is_followed
group by f.session_date, f.site, s.dimension, s.dimension_value, f.action, n.action
