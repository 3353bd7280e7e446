-- One row is a cohort of a site and a period that has begun by the last day with sessions.
-- A visitor counts once in a week: on the first day of the week on which they come.
with followed as (
    select max(last_day_after) as last_day_after
    from retention_periods
),

visits as (
    select
        site,
        'first_visit' as cohort,
        first_visit_date as cohort_date,
        session_date,
        previous_visit_date
    from visitor_days
    union all
    select
        site,
        'first_conversion' as cohort,
        first_conversion_date as cohort_date,
        session_date,
        previous_visit_date
    from visitor_days
    where first_conversion_date is not null
),

numbered as (
    select
        site,
        cohort,
        cohort_date,
        date_diff('day', cohort_date, session_date) as days_after,
        date_diff('day', cohort_date, previous_visit_date) as days_after_before
    from visits
),

counted as (
    select
        n.site,
        n.cohort,
        n.cohort_date,
        n.days_after,
        count(*) as visitor_count,
        count(*) filter (
            where
            n.days_after_before is null
            or n.days_after_before < 0
            or n.days_after_before // $days_of_week < n.days_after // $days_of_week
        ) as first_in_week_count
    from numbered as n
    inner join followed as f
        on n.days_after <= f.last_day_after
    group by n.site, n.cohort, n.cohort_date, n.days_after
),

last_days as (
    select max(session_date) as last_date
    from visitor_days
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
