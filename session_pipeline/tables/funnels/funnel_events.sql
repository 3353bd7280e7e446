-- One row is an event of a session that starts on the day, and a funnel step or exclusion that it
-- meets.
with actions as (
    select
        session_id,
        event_number,
        action_number,
        action,
        next_action
    from session_actions
    where session_id in (select session_id from funnel_matches)
)

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
    m.value,
    a.action_number,
    a.next_action,
    n.action as next_action_2,
    n.next_action as next_action_3,
    coalesce(v.breakdown, '(all)') as breakdown,
    s.is_bot,
    s.is_complete
from funnel_matches as m
inner join sessions as s
    on m.session_id = s.session_id
left join session_breakdowns as v
    on m.funnel = v.funnel and m.session_id = v.session_id
left join actions as a
    on m.session_id = a.session_id and m.event_number = a.event_number
left join actions as n
    on m.session_id = n.session_id and a.action_number + 2 = n.action_number
