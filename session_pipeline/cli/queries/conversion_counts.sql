-- The sessions of the days that converted, by the rules of the settings each day was built with.
select coalesce(sum(converted_count), 0) as converted_count
from daily_summary
where session_date in $days
