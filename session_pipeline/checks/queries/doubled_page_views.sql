-- One row is a day of a site in looked_at, with page views of people, and those of them that come
-- within $seconds seconds after a view of the same page in the same session. Other events can be
-- between. Of these, source_count come from another source than the view before.
-- Ids of sessions are hashes, so those before an id are a sample that is the same every time.
with views as (
    select
        e.event_date,
        e.site,
        e.source,
        e.event_time,
        lag(e.event_time) over same_pages as time_before,
        lag(e.source) over same_pages as source_before
    from events as e
    inner join looked_at as l
        on e.event_date = l.session_date and e.site = l.site and e.session_id < l.session_ids_before
    where e.event_name = 'page_view' and not e.is_bot
    window same_pages as (
        partition by e.event_date, e.site, e.session_id, e.page_url order by e.event_number
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
