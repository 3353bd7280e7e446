-- One row contains the first and last days with visits of people. last_day is the last full day; it is a day that was
-- not over only if there is no full day.
select
    min(session_date) as first_day,
    coalesce(max(session_date) filter (where session_date < $built_on), max(session_date)) as last_day,
    max(session_date) as latest_day
from daily_summary
where session_count > 0
