-- One row is a period, over all sites: the last full day, the week that ends with it, and the week
-- before. Visitors are counted once per period, so days do not add up to a week.
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
        s.session_id,
        s.session_date,
        s.site,
        s.visitor_id,
        s.is_bot,
        o.is_converted
    from sessions as s
    inner join session_outcomes as o
        on s.session_id = o.session_id and s.session_date = o.session_date
    where s.session_date between $before_first_day and $last_day
)

select
    p.period,
    count(v.session_id) filter (where not v.is_bot) as session_count,
    count(distinct row(v.site, v.visitor_id)) filter (where not v.is_bot) as visitor_count,
    count(v.session_id) filter (where not v.is_bot and v.is_converted) as converted_count,
    count(v.session_id) filter (where not v.is_bot and v.is_converted)
    / nullif(count(v.session_id) filter (where not v.is_bot), 0) as conversion_rate,
    count(distinct v.session_date) filter (where not v.is_bot) as day_count,
    count(v.session_id) filter (where v.is_bot) as bot_session_count
from periods as p
left join visits as v
    on v.session_date between p.starts_on and p.ends_on
group by p.period
order by p.period
