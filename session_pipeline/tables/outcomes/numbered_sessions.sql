-- One row is a session without bots, with its last conversion. The number stands for its id.
-- A session that converts as a whole has no converting event: its conversion is after every action.
with conversions as (
    select
        o.session_id,
        o.outcome,
        o.value,
        max(m.event_number) as last_event_number
    from session_outcomes as o
    left join outcome_matches as m
        on o.session_id = m.session_id and o.outcome = m.rule
    where o.is_converted
    group by o.session_id, o.outcome, o.value
),

-- Numbered before the join, because few columns are sorted faster.
numbers as (
    select
        session_date,
        site,
        session_id,
        cast(row_number() over (order by session_id) as integer) as session_number,
        coalesce(device, '(none)') as device
    from sessions
    where not is_bot
)

select
    n.session_date,
    n.site,
    n.session_id,
    n.session_number,
    n.device,
    c.session_id is not null as is_converted,
    c.outcome,
    c.value,
    c.last_event_number
from numbers as n
left join conversions as c
    on n.session_id = c.session_id
