-- One row is a session without bots, with what the tables of paths count it by. Its number stands
-- for its id, and that of its group for its day, site and outcome, because numbers are grouped
-- faster than texts.
select
    s.session_date,
    s.session_id,
    cast(row_number() over (order by s.session_id) as integer) as session_number,
    cast(
        dense_rank() over (order by s.session_date, s.site, o.outcome) as integer
    ) as group_number,
    s.site,
    o.outcome,
    o.is_converted,
    coalesce(s.device, '(none)') as device,
    path_label(s.landing_action) as landing_action,
    date_diff('microsecond', s.started_at, s.ended_at) // 1000000 as whole_seconds
from sessions as s
inner join session_outcomes as o
    on s.session_id = o.session_id
where not s.is_bot
