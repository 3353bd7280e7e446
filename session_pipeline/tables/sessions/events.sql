-- One row is a deduplicated event, with the session it belongs to, and why it is from a bot.
-- Rules about what a visitor does look at one day, so that a day does not depend on earlier days.
with requests as (
    select
        s.event_date,
        r.site,
        r.visitor_id,
        r.event_time,
        r.event_name,
        r.referrer
    from sessionized as s
    inner join raw_events as r
        on s.file_id = r.file_id and s.line_number = r.line_number
),

requests_without_agent as (
    select
        s.event_date,
        r.source,
        r.file_id,
        r.line_number
    from sessionized as s
    inner join raw_events as r
        on s.file_id = r.file_id and s.line_number = r.line_number
    where
        $no_user_agent
        and r.user_agent_id is null
        and r.properties ->> 'method' in (
            'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'
        )
),

-- A log format without user agents says nothing about a request without one. Only the sources of
-- such requests are looked at; there are often none.
sources_with_agents as (
    select distinct
        s.event_date,
        r.source
    from sessionized as s
    inner join raw_events as r
        on s.file_id = r.file_id and s.line_number = r.line_number
    where
        $no_user_agent
        and r.user_agent_id is not null
        and r.source in (select source from requests_without_agent)
),

nameless_requests as (
    select
        q.file_id,
        q.line_number,
        'no user agent' as reason
    from requests_without_agent as q
    inner join sources_with_agents as w
        on q.event_date = w.event_date and q.source = w.source
),

busy_minutes as (
    select
        event_date,
        site,
        visitor_id,
        1 as priority,
        'page views per minute' as reason
    from requests
    where $page_views_per_minute > 0 and event_name = 'page_view'
    group by event_date, site, visitor_id, date_trunc('minute', event_time)
    having count(*) > $page_views_per_minute
),

busy_days as (
    select
        event_date,
        site,
        visitor_id,
        2 as priority,
        'page views per day' as reason
    from requests
    where $page_views_per_day > 0 and event_name = 'page_view'
    group by event_date, site, visitor_id
    having count(*) > $page_views_per_day
),

single_hits as (
    select
        event_date,
        site,
        visitor_id,
        3 as priority,
        'single hit' as reason
    from requests
    where $single_hit
    group by event_date, site, visitor_id
    having
        count(*) = 1
        and count(*) filter (where event_name = 'page_view' and referrer is null) = 1
),

behaviours as (
    select
        event_date,
        site,
        visitor_id,
        min_by(reason, priority) as reason  -- equal priorities have equal reasons
    from (
        select
            event_date,
            site,
            visitor_id,
            priority,
            reason
        from busy_minutes
        union all
        select
            event_date,
            site,
            visitor_id,
            priority,
            reason
        from busy_days
        union all
        select
            event_date,
            site,
            visitor_id,
            priority,
            reason
        from single_hits
    ) as found
    group by event_date, site, visitor_id
)

select
    s.event_date,
    r.event_id,
    r.site,
    r.source,
    r.person_id as visitor_id,
    r.user_id,
    r.client_session_id,
    r.event_time,
    r.received_at,
    r.sequence,
    r.event_name,
    r.page_url,
    r.page_host,
    r.page_path,
    r.page_title,
    r.referrer,
    r.referrer_host,
    r.utm_source,
    r.utm_medium,
    r.utm_campaign,
    r.utm_term,
    r.utm_content,
    r.click_id_type,
    r.search_term,
    r.element,
    r.status_code,
    r.value,
    r.currency,
    r.user_agent_id,
    r.properties,
    coalesce(a.is_bot, false) or n.reason is not null or b.reason is not null as is_bot,
    coalesce(a.bot_reason, n.reason, b.reason) as bot_reason,
    s.session_id,
    s.session_date,
    s.event_number,
    s.gap_microseconds,
    s.break_reason,
    r.file_id,
    r.line_number
from sessionized as s
inner join raw_events as r
    on s.file_id = r.file_id and s.line_number = r.line_number
left join agents_seen as a
    on s.event_date = a.event_date and r.user_agent_id = a.user_agent_id
left join nameless_requests as n
    on s.file_id = n.file_id and s.line_number = n.line_number
left join behaviours as b
    on
        s.event_date = b.event_date
        and r.site = b.site
        and r.visitor_id = b.visitor_id
