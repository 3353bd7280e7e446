-- One row is an outcome of the days, with its sessions of people and of bots.
select
    outcome,
    sum(session_count) as session_count,
    sum(bot_session_count) as bot_session_count
from daily_outcomes
where session_date in $days
group by outcome
order by session_count desc, outcome asc
