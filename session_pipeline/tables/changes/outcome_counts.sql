-- One row is an outcome, by dimension value, on one of the days or of the days before that are
-- compared with it: sessions with the outcome, of the sessions of the value. '(converted)' is any
-- conversion. Values with sessions on too few days for a comparison are left out, and a dimension
-- on days when no session has a value of it: '(none)' then has all sessions, not those without.
with breakdowns as (
    select
        b.session_date,
        b.site,
        b.dimension,
        b.dimension_value,
        b.session_count,
        b.converted_count,
        b.bounce_count,
        max(case when b.dimension_value <> '(none)' then 1 else 0 end) over (
            partition by b.session_date, b.site, b.dimension
        ) as has_values,
        count(*) over (partition by b.site, b.dimension, b.dimension_value) as day_count
    from daily_breakdowns as b
    inner join compared_dimensions as c
        on b.dimension = c.dimension
    where b.session_count > 0
),

totals as (
    select
        session_date,
        site,
        sum(session_count) as session_count
    from daily_outcomes
    group by session_date, site
    having sum(session_count) > 0
),

outcomes as (
    select
        o.session_date,
        o.site,
        'all' as dimension,
        'all' as dimension_value,
        o.outcome,
        t.session_count,
        o.session_count as outcome_count
    from daily_outcomes as o
    inner join totals as t
        on o.session_date = t.session_date and o.site = t.site
    union all
    select
        session_date,
        site,
        dimension,
        dimension_value,
        '(converted)' as outcome,
        session_count,
        converted_count as outcome_count
    from breakdowns
    where has_values = 1 and day_count >= $least_base_days
    union all
    select
        session_date,
        site,
        dimension,
        dimension_value,
        'bounce' as outcome,
        session_count,
        bounce_count as outcome_count
    from breakdowns
    where has_values = 1 and day_count >= $least_base_days
)

select
    session_date,
    session_date in (select event_date from days) as is_asked_for,
    site,
    dimension,
    dimension_value,
    outcome,
    cast(session_count as bigint) as session_count,
    outcome_count
from outcomes
