-- One row is a period, over all sites: the last day, the week that ends with it, and the week
-- before. A visitor counts once in a period: on the first of their days in it.
with periods as (
    select
        'day' as period,
        $last_day as starts_on,
        $last_day as ends_on
    union all
    select
        'week' as period,
        $first_day as starts_on,
        $last_day as ends_on
    union all
    select
        'before' as period,
        $before_first_day as starts_on,
        $before_last_day as ends_on
),

visits as (
    select
        p.period,
        cast(coalesce(sum(d.session_count), 0) as bigint) as session_count,
        cast(coalesce(sum(d.converted_count), 0) as bigint) as converted_count,
        cast(coalesce(sum(d.bot_session_count), 0) as bigint) as bot_session_count
    from periods as p
    left join daily_summary as d
        on d.session_date between p.starts_on and p.ends_on
    group by p.period
),

friction as (
    select
        p.period,
        cast(sum(f.hard_time_count) as bigint) as hard_time_count,
        cast(sum(f.session_count) filter (where f.hard_time_count is not null) as bigint)
            as observed_count
    from periods as p
    inner join daily_friction as f
        on f.session_date between p.starts_on and p.ends_on
    group by p.period
),

visitors as (
    select
        p.period,
        count(*) as visitor_count
    from periods as p
    inner join visitor_days as v
        on v.session_date between p.starts_on and p.ends_on
    where v.previous_visit_date is null or v.previous_visit_date < p.starts_on
    group by p.period
)

select
    v.period,
    v.session_count,
    coalesce(w.visitor_count, 0) as visitor_count,
    v.converted_count,
    v.converted_count / nullif(v.session_count, 0) as conversion_rate,
    f.hard_time_count,
    f.observed_count,
    f.hard_time_count / nullif(f.observed_count, 0) as friction_rate,
    v.bot_session_count
from visits as v
left join visitors as w
    on v.period = w.period
left join friction as f
    on v.period = f.period
order by v.period
