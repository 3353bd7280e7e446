-- One row is a session: an unbroken series of a visitor's events.
-- A session belongs to the day on which it starts, even if it ends on a later day.
with labels as (
    select
        event_name,
        page_path,
        min(action) as action,
        bool_or(is_interaction) as is_interaction
    from action_labels
    group by event_name, page_path
),

session_events as (
    select
        e.*,
        l.action,
        l.is_interaction,
        e.event_name = 'page_view' as is_page_view
    from paged_events as e
    inner join labels as l
        on e.event_name = l.event_name and e.action_page = l.page_path
    where e.session_date in (select event_date from days)
),

gathered as (
    select
        session_id,
        session_date,
        min(event_time) as started_at,
        max(event_time) as ended_at,
        sum(
            least(coalesce(gap_microseconds, 0), $engaged_gap_microseconds)
        ) as _engaged_microseconds,
        count(*) as event_count,
        count(*) filter (where is_page_view) as page_view_count,
        count(*) filter (where is_interaction) as interaction_count,
        min_by(page_path, event_number) filter (
            where is_page_view and page_path is not null
        ) as landing_page,
        max_by(page_path, event_number) filter (
            where is_page_view and page_path is not null
        ) as exit_page,
        min_by(action, event_number) filter (where action is not null) as landing_action,
        max_by(action, event_number) filter (where action is not null) as exit_action,
        min_by(user_id, event_number) filter (where user_id is not null) as user_id,
        min_by(client_session_id, event_number) filter (
            where client_session_id is not null
        ) as client_session_id,
        bool_or(is_bot) as is_bot,
        min_by(bot_reason, event_number) filter (where bot_reason is not null) as bot_reason
    from session_events
    group by session_id, session_date
),

measured as (
    select
        *,
        page_view_count >= $engaged_page_views
        or interaction_count > 0
        or _engaged_microseconds >= $engaged_microseconds as is_engaged
    from gathered
),

unfinished as (
    select distinct
        d.event_date as session_date,
        o.session_id
    from open_sessions as o
    inner join days as d
        on o.event_date = d.end_of_reach
)

select
    m.session_date,
    m.session_id,
    f.site,
    f.visitor_id,
    m.user_id,
    m.client_session_id,
    f.source,
    f.day_session_number,
    m.started_at,
    m.ended_at,
    cast(date_diff('microsecond', m.started_at, m.ended_at) as double)
    / 1000000 as duration_seconds,
    cast(m._engaged_microseconds as double) / 1000000 as engaged_seconds,
    m.event_count,
    m.page_view_count,
    m.interaction_count,
    m.landing_page,
    m.exit_page,
    m.landing_action,
    m.exit_action,
    f.referrer_host,
    h.channel,
    a.device,
    a.browser,
    a.os,
    f.utm_source,
    f.utm_medium,
    f.utm_campaign,
    f.utm_term,
    f.utm_content,
    f.click_id_type,
    not m.is_engaged as is_bounce,
    m.is_engaged,
    m.is_bot,
    m.bot_reason,
    f.break_reason,
    o.session_id is null as is_complete
from measured as m
inner join landings as f
    on m.session_id = f.session_id
inner join session_channels as h
    on m.session_id = h.session_id
left join agents_seen as a
    on m.session_date = a.event_date and f.user_agent_id = a.user_agent_id
left join unfinished as o
    on m.session_date = o.session_date and m.session_id = o.session_id
