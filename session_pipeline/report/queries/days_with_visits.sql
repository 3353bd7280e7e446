-- One row contains the first and the last day with visits, without bots. last_day is the last full
-- day; if there is no full day, it is the last day.
select
    min(session_date) as first_day,
    coalesce(
        max(session_date) filter (where session_date < $built_on), max(session_date)
    ) as last_day,
    max(session_date) as latest_day
from daily_summary
where session_count > 0
