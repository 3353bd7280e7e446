-- One row is a session and how it started: columns of its first event, and the utm
-- columns of the first event that names a campaign. All utm columns come from the same event, so
-- that they belong together. If the first event has no page, page_host is that of the session's
-- first page, so that a referrer on the own site is known as such.
with session_events as (
    select *
    from events
    where session_date in (select event_date from days)
),

campaign_events as (
    select
        session_id,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_term,
        utm_content
    from session_events
    where utm_source is not null or utm_medium is not null or utm_campaign is not null
    qualify row_number() over (partition by session_id order by event_number) = 1
),

-- The next two read events itself: they need few of its columns, and hardly any session is in them.
starts_without_page as (
    select session_id
    from events
    where event_number = 1 and page_host is null and referrer_host is not null
),

first_pages as (
    select
        e.session_id,
        e.page_host
    from events as e
    inner join starts_without_page as s
        on e.session_id = s.session_id
    where e.page_host is not null
    qualify row_number() over (partition by e.session_id order by e.event_number) = 1
)

select
    f.session_id,
    f.site,
    f.visitor_id,
    f.source,
    row_number() over (
        partition by f.session_date, f.site, f.visitor_id
        order by
            f.event_time, coalesce(f.sequence, f.line_number), f.event_id, f.file_id, f.line_number
    ) as day_session_number,
    f.break_reason,
    f.referrer_host,
    coalesce(f.page_host, p.page_host) as page_host,
    f.click_id_type,
    f.user_agent_id,
    c.utm_source,
    c.utm_medium,
    c.utm_campaign,
    c.utm_term,
    c.utm_content
from session_events as f
left join campaign_events as c
    on f.session_id = c.session_id
left join first_pages as p
    on f.session_id = p.session_id
where f.event_number = 1
