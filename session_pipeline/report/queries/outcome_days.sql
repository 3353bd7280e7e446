-- One row is a day of the last four weeks and an outcome that occurred, over all sites.
select
    session_date,
    outcome,
    cast(sum(session_count) as bigint) as session_count
from daily_outcomes
where session_date between $trend_first_day and $last_day and session_count > 0
group by session_date, outcome
order by session_date, outcome
