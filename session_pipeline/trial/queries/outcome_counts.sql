-- One row is an outcome, with its sessions of people and of bots.
select
    o.outcome,
    count(*) filter (where not s.is_bot) as session_count,
    count(*) filter (where s.is_bot) as bot_session_count
from session_outcomes as o
inner join sessions as s
    on o.session_id = s.session_id
group by o.outcome
order by session_count desc, o.outcome asc
