-- One row is an event of a session that starts on the day, and a funnel step or exclusion that it
-- meets.
select
    m.funnel,
    m.step_number,
    s.site,
    s.visitor_id,
    m.session_id,
    s.session_date,
    m.event_id,
    m.event_time,
    m.event_number,
    m.position,
    a.next_action,
    case
        when b.dimension is null then '(all)'
        else coalesce(v.dimension_value, '(none)')
    end as breakdown,
    s.is_bot,
    s.is_complete
from funnel_matches as m
inner join sessions as s
    on m.session_id = s.session_id
inner join funnel_breakdowns as b
    on m.funnel = b.funnel
left join session_breakdowns as v
    on b.dimension = v.dimension and m.session_id = v.session_id
left join session_actions as a
    on m.session_id = a.session_id and m.event_number = a.event_number
