-- One row is a figure of a day and a site for which the tables differ, with the count of each.
with counted as (
    select
        d.event_date as session_date,
        s.site,
        'visitors' as figure,
        3 as table_count,
        'sessions' as counted_in,
        count(distinct s.visitor_id) as row_count
    from sessions as s
    inner join days as d
        on s.session_date = d.event_date
    where not s.is_bot
    group by d.event_date, s.site
    union all
    select
        session_date,
        site,
        'visitors' as figure,
        3 as table_count,
        'visitor_days' as counted_in,
        count(*) as row_count
    from visitor_days
    group by session_date, site
    union all
    select
        session_date,
        site,
        'visitors' as figure,
        3 as table_count,
        'daily_visitors by life cycle' as counted_in,
        new_count + returning_count + resurrected_count as row_count
    from daily_visitors
    union all
    select
        d.event_date as session_date,
        s.site,
        'visitors of the day before' as figure,
        2 as table_count,
        'sessions' as counted_in,
        count(distinct s.visitor_id) as row_count
    from sessions as s
    inner join days as d
        on s.session_date = d.day_before
    where not s.is_bot
    group by d.event_date, s.site
    union all
    select
        session_date,
        site,
        'visitors of the day before' as figure,
        2 as table_count,
        'daily_visitors, returning or dormant' as counted_in,
        returning_count + dormant_count as row_count
    from daily_visitors
    union all
    select
        session_date,
        site,
        'sessions' as figure,
        2 as table_count,
        'daily_summary' as counted_in,
        session_count as row_count
    from daily_summary
    union all
    select
        session_date,
        site,
        'sessions' as figure,
        2 as table_count,
        'visitor_days' as counted_in,
        sum(session_count) as row_count
    from visitor_days
    group by session_date, site
    union all
    select
        session_date,
        site,
        'conversions' as figure,
        2 as table_count,
        'daily_summary' as counted_in,
        converted_count as row_count
    from daily_summary
    union all
    select
        session_date,
        site,
        'conversions' as figure,
        2 as table_count,
        'visitor_days' as counted_in,
        sum(converted_count) as row_count
    from visitor_days
    group by session_date, site
)

select
    session_date,
    site,
    figure,
    string_agg(row_count || ' in ' || counted_in, ', ' order by counted_in desc) as counts
from counted
where row_count <> 0
group by session_date, site, figure, table_count
having count(*) <> table_count or min(row_count) <> max(row_count)
order by session_date, site, figure
