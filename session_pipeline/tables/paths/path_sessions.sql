-- One row is a session without bots, with what the tables of paths count it by. Its number stands
-- for its id, because numbers are grouped faster than texts. Sessions are numbered before the
-- joins, because few columns are sorted faster.
with numbers as (
    select
        session_id,
        cast(row_number() over (order by session_id) as integer) as session_number
    from sessions
    where not is_bot
)

select
    n.session_number,
    s.session_id,
    g.group_number,
    coalesce(s.device, '(none)') as device,
    path_label(s.landing_action) as landing_action,
    date_diff('microsecond', s.started_at, s.ended_at) // 1000000 as whole_seconds
from numbers as n
inner join sessions as s
    on n.session_id = s.session_id
inner join session_outcomes as o
    on s.session_id = o.session_id
inner join path_groups as g
    on o.session_date = g.session_date and o.site = g.site and o.outcome = g.outcome
