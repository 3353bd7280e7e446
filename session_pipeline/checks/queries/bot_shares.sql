-- One row is a day, with its sessions and its bot sessions.
select
    session_date,
    count(*) as session_count,
    count(*) filter (where is_bot) as bot_session_count
from sessions
group by session_date
order by session_date
