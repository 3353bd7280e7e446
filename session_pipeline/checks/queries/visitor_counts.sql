-- One row is a figure of a day and a site for which the tables differ, with the count of each.
with visitors_of_days as (
    select
        session_date,
        site,
        count(distinct visitor_id) as visitor_count
    from sessions
    where not is_bot
    group by session_date, site
),

counted as (
    select
        d.event_date as session_date,
        v.site,
        if(v.session_date = d.event_date, 'visitors', 'visitors of the day before') as figure,
        'sessions' as counted_in,
        v.visitor_count as row_count
    from visitors_of_days as v
    inner join days as d
        on v.session_date in (d.event_date, d.day_before)
    union all
    select
        session_date,
        site,
        unnest(['visitors', 'sessions', 'conversions']) as figure,
        'visitor_days' as counted_in,
        unnest([count(*), sum(session_count), sum(converted_count)]) as row_count
    from visitor_days
    group by session_date, site
    union all
    select
        session_date,
        site,
        unnest(['visitors', 'visitors of the day before']) as figure,
        unnest(
            ['daily_visitors by life cycle', 'daily_visitors, returning or dormant']
        ) as counted_in,
        unnest(
            [new_count + returning_count + resurrected_count, returning_count + dormant_count]
        ) as row_count
    from daily_visitors
    union all
    select
        session_date,
        site,
        unnest(['sessions', 'conversions']) as figure,
        'daily_summary' as counted_in,
        unnest([session_count, converted_count]) as row_count
    from daily_summary
)

select
    session_date,
    site,
    figure,
    string_agg(row_count || ' in ' || counted_in, ', ' order by counted_in desc) as counts
from counted
where row_count <> 0
group by session_date, site, figure
having count(*) <> if(figure = 'visitors', 3, 2) or min(row_count) <> max(row_count)
order by session_date, site, figure
