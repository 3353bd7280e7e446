-- One row is a session and how it started: columns of its first event, and the utm
-- columns of the first event that names a campaign. All utm columns come from the same event, so
-- that they belong together.
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
    f.page_host,
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
where f.event_number = 1
