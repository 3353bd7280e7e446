-- One row says from when to when there are visits of people. A day that was still under way is the last full day only
-- where there is no other.
select
    min(session_date) as first_day,
    coalesce(max(session_date) filter (where session_date < $built_on), max(session_date)) as last_day,
    max(session_date) as latest_day
from daily_summary
where session_count > 0
