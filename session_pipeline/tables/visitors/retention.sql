-- One row is a cohort of a site and a period that has begun by the last day with sessions.
-- A visitor counts once in a week: on the first day of the week on which they come.
with followed as (
    select max(last_day_after) as last_day_after
    from retention_periods
),

visits as (
    select
        v.site,
        c.cohort,
        case
            when c.cohort = 'first_visit' then v.first_visit_date
            else v.first_conversion_date
        end as cohort_date,
        v.session_date,
        v.previous_visit_date
    from visitor_days as v
    cross join cohort_names as c
),

numbered as (
    select
        site,
        cohort,
        cohort_date,
        session_date,
        date_diff('day', cohort_date, session_date) as days_after,
        date_diff('day', cohort_date, previous_visit_date) as days_after_before
    from visits
    where cohort_date is not null
),

-- Days after the last period are one row of the cohort, which is needed for the last day only.
counted as (
    select
        n.site,
        n.cohort,
        n.cohort_date,
        least(n.days_after, f.last_day_after + 1) as days_after,
        count(*) as visitor_count,
        count(*) filter (
            where
            n.days_after_before is null
            or n.days_after_before < 0
            or n.days_after_before // $days_of_week < n.days_after // $days_of_week
        ) as first_in_week_count,
        max(n.session_date) as last_date
    from numbered as n
    cross join followed as f
    group by n.site, n.cohort, n.cohort_date, least(n.days_after, f.last_day_after + 1)
),

last_days as (
    select max(last_date) as last_date
    from counted
),

cohorts as (
    select
        c.site,
        c.cohort,
        c.cohort_date,
        c.visitor_count,
        date_diff('day', c.cohort_date, l.last_date) as observed_days
    from counted as c
    cross join last_days as l
    where c.days_after = 0
)

select
    c.site,
    c.cohort,
    p.period,
    c.cohort_date,
    p.periods_after,
    c.visitor_count,
    coalesce(
        sum(case when p.period = 'week' then r.first_in_week_count else r.visitor_count end), 0
    ) as returned_count,
    c.observed_days >= p.last_day_after as is_period_over
from cohorts as c
inner join retention_periods as p
    on c.observed_days >= p.first_day_after
left join counted as r
    on
        c.site = r.site
        and c.cohort = r.cohort
        and c.cohort_date = r.cohort_date
        and r.days_after between p.first_day_after and p.last_day_after
group by
    c.site,
    c.cohort,
    p.period,
    c.cohort_date,
    p.periods_after,
    c.visitor_count,
    c.observed_days,
    p.last_day_after
