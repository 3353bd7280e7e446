-- One row is a session with its outcome, goals and dimensions.
with goals as (
    select
        session_id,
        string_agg(goal, ', ' order by goal) as goals
    from session_goals
    group by session_id
),

dimensions as (
    select
        session_id,
        string_agg(dimension || '=' || dimension_value, ', ' order by dimension) as dimensions
    from session_dimensions
    group by session_id
),

actions as (
    select
        session_id,
        count(*) as action_count
    from session_actions
    group by session_id
)

select
    s.session_date,
    s.session_id,
    s.site,
    s.visitor_id,
    s.user_id,
    s.source,
    s.started_at,
    s.duration_seconds,
    s.engaged_seconds,
    s.event_count,
    s.page_view_count,
    s.interaction_count,
    coalesce(a.action_count, 0) as action_count,
    s.landing_page,
    s.landing_action,
    s.exit_page,
    s.exit_action,
    s.referrer_host,
    s.channel,
    s.device,
    s.browser,
    s.os,
    s.utm_source,
    s.utm_medium,
    s.utm_campaign,
    o.outcome,
    o.is_converted,
    o.conversion_count,
    o.value,
    o.currency,
    o.decided_at,
    g.goals,
    d.dimensions,
    s.is_bounce,
    s.is_engaged,
    s.is_bot,
    s.is_complete
from sessions as s
inner join session_outcomes as o
    on s.session_id = o.session_id
left join goals as g
    on s.session_id = g.session_id
left join dimensions as d
    on s.session_id = d.session_id
left join actions as a
    on s.session_id = a.session_id
