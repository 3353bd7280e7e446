-- One row is a day with sessions, the latest first.
select session_date
from daily_summary
where session_count + bot_session_count > 0
group by session_date
order by session_date desc
limit $most_days
