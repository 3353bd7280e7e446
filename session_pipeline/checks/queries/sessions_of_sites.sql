-- One row is a day of a site on which sessions of people start.
select
    session_date,
    site,
    session_count
from daily_summary
where session_count > 0
order by session_date, site
