-- One row is a week of first visits and a later week: how many of its visitors came back in that
-- week. Weeks are seven days and end with the last day. A later week counts if it is over for all
-- visitors, also for those who came first on the last day of their week.
with cohorts as (
    select
        cast(floor(date_diff('day', cohort_date, $last_day) / 7) as bigint) as weeks_ago,
        periods_after,
        visitor_count,
        returned_count
    from retention
    where
        cohort = 'first_visit'
        and period = 'week'
        and periods_after between 1 and 4
        and cohort_date > $last_day - interval 56 day
)

select
    cast($last_day - to_days(cast(7 * weeks_ago + 6 as integer)) as date) as first_day,
    cast($last_day - to_days(cast(7 * weeks_ago as integer)) as date) as last_day,
    periods_after,
    cast(sum(visitor_count) as bigint) as visitor_count,
    cast(sum(returned_count) as bigint) as returned_count,
    sum(returned_count) / nullif(sum(visitor_count), 0) as return_rate
from cohorts
where weeks_ago > periods_after
group by weeks_ago, periods_after
order by first_day desc, periods_after asc
