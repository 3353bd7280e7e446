-- One row is a session without bots, with its last conversion. The number stands for its id.
-- A session that converts as a whole has no converting event: its conversion is after every action.
with conversions as (
    select
        o.session_id,
        o.outcome,
        o.value,
        max(m.event_number) as last_event_number,
        count(m.event_number) > 1 as has_several
    from session_outcomes as o
    left join outcome_matches as m
        on o.session_id = m.session_id and o.outcome = m.rule
    where o.is_converted
    group by o.session_id, o.outcome, o.value
)

select
    s.session_date,
    s.site,
    s.session_id,
    cast(row_number() over (order by s.session_id) as integer) as session_number,
    coalesce(s.device, '(none)') as device,
    c.session_id is not null as is_converted,
    c.outcome,
    c.value,
    c.last_event_number,
    coalesce(c.has_several, false) as has_several
from sessions as s
left join conversions as c
    on s.session_id = c.session_id
where not s.is_bot
