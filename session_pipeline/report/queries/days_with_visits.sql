-- One row is a day with visits, without bots.
select distinct session_date
from daily_summary
where session_count > 0
order by session_date
