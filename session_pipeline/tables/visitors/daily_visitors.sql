-- One row is a day of a site with visitors on the day or on the day before.
-- Of the visitors of the day before, those who are not returning are dormant.
with counted as (
    select
        session_date,
        site,
        count(*) as visitor_count,
        count(*) filter (where lifecycle = 'new') as new_count,
        count(*) filter (where lifecycle = 'returning') as returning_count,
        count(*) filter (where lifecycle = 'resurrected') as resurrected_count
    from visitor_days
    group by session_date, site
),

of_both_days as (
    select
        session_date,
        site,
        visitor_count,
        new_count,
        returning_count,
        resurrected_count,
        0 as visitor_count_before
    from counted
    where session_date in (select event_date from days)
    union all
    select
        d.event_date as session_date,
        c.site,
        0 as visitor_count,
        0 as new_count,
        0 as returning_count,
        0 as resurrected_count,
        c.visitor_count as visitor_count_before
    from counted as c
    inner join days as d
        on c.session_date = d.day_before
)

select
    session_date,
    site,
    sum(visitor_count) as visitor_count,
    sum(new_count) as new_count,
    sum(returning_count) as returning_count,
    sum(resurrected_count) as resurrected_count,
    sum(visitor_count_before) - sum(returning_count) as dormant_count
from of_both_days
group by session_date, site
