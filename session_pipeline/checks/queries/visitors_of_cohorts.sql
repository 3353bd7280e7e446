-- One row is a site and a cohort whose visitors in retention are not those in visitors.
with counted as (
    select
        site,
        'first_visit' as cohort,
        count(*) as in_visitors,
        0 as in_retention
    from visitors
    group by site
    union all
    select
        site,
        'first_conversion' as cohort,
        count(*) as in_visitors,
        0 as in_retention
    from visitors
    where converted_session_count > 0
    group by site
    union all
    select
        site,
        cohort,
        0 as in_visitors,
        sum(visitor_count) as in_retention
    from retention
    where period = 'day' and periods_after = 0
    group by site, cohort
)

select
    site,
    cohort,
    sum(in_visitors) as in_visitors,
    sum(in_retention) as in_retention
from counted
group by site, cohort
having sum(in_visitors) <> sum(in_retention)
order by site, cohort
