-- One row is a day of a site, with the page views of people, and those that come within
-- $seconds seconds after a view of the same page in the same session. Other events can be between.
-- Of these, source_count come from another source than the view before.
with views as (
    select
        event_date,
        site,
        source,
        event_time,
        lag(event_time) over same_pages as time_before,
        lag(source) over same_pages as source_before
    from events
    where event_name = 'page_view' and not is_bot
    window same_pages as (
        partition by event_date, site, session_id, page_url order by event_number
    )
)

select
    event_date as day,
    site,
    count(*) as view_count,
    count(*) filter (where event_time <= time_before + interval ($seconds) second) as doubled_count,
    count(*) filter (
        where source <> source_before and event_time <= time_before + interval ($seconds) second
    ) as source_count,
    min(least(source, source_before)) filter (
        where source <> source_before and event_time <= time_before + interval ($seconds) second
    ) as first_source,
    max(greatest(source, source_before)) filter (
        where source <> source_before and event_time <= time_before + interval ($seconds) second
    ) as second_source
from views
group by event_date, site
order by event_date, site
