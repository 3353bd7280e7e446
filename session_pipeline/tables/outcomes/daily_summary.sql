-- One row is a day of a site.
-- A site also has a row if it only had repeated lines, or only events of sessions that started on
-- an earlier day.
with sites as (
    select
        session_date,
        site
    from sessions
    union
    select
        event_date as session_date,
        site
    from events
    union
    select
        event_date as session_date,
        site
    from duplicate_events
),

session_counts as (
    select
        s.session_date,
        s.site,
        count(*) filter (where not s.is_bot) as session_count,
        count(distinct case when not s.is_bot then s.visitor_id end) as visitor_count,
        sum(s.page_view_count) filter (where not s.is_bot) as page_view_count,
        count(*) filter (where not s.is_bot and o.outcome = 'bounce') as bounce_count,
        count(*) filter (where not s.is_bot and s.is_engaged) as engaged_count,
        count(*) filter (where not s.is_bot and o.is_converted) as converted_count,
        sum(o.value) filter (where not s.is_bot and o.is_converted) as value,
        count(*) filter (where s.is_bot) as bot_session_count,
        count(*) filter (where not s.is_complete) as open_count
    from sessions as s
    inner join session_outcomes as o
        on s.session_id = o.session_id
    group by s.session_date, s.site
),

late_events as (
    select
        e.event_date as session_date,
        e.site,
        count(*) as late_event_count
    from events as e
    inner join days as d
        on e.event_date = d.event_date
    where e.received_at >= d.day_end
    group by e.event_date, e.site
),

duplicates as (
    select
        event_date as session_date,
        site,
        count(*) as duplicate_count
    from duplicate_events
    group by event_date, site
)

select
    t.session_date,
    t.site,
    coalesce(c.session_count, 0) as session_count,
    coalesce(c.visitor_count, 0) as visitor_count,
    coalesce(c.page_view_count, 0) as page_view_count,
    coalesce(c.bounce_count, 0) as bounce_count,
    coalesce(c.engaged_count, 0) as engaged_count,
    coalesce(c.converted_count, 0) as converted_count,
    c.value,
    coalesce(c.bot_session_count, 0) as bot_session_count,
    coalesce(d.duplicate_count, 0) as duplicate_count,
    coalesce(l.late_event_count, 0) as late_event_count,
    coalesce(c.open_count, 0) = 0 as is_final
from sites as t
left join session_counts as c
    on t.session_date = c.session_date and t.site = c.site
left join late_events as l
    on t.session_date = l.session_date and t.site = l.site
left join duplicates as d
    on t.session_date = d.session_date and t.site = d.site
