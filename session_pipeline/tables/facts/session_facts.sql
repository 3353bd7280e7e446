-- One row is a session with its outcome, goals, dimensions, visit number, life cycle and friction.
with goals as (
    select
        session_id,
        array_to_string(list_sort(list(goal)), ', ') as goals
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

-- The number of a session's last action is the number of its actions.
last_actions as (
    select
        session_id,
        action_number
    from session_actions
    where is_exit
),

signals as (
    select
        session_id,
        signal,
        bool_or(is_hard_time) as is_hard_time,
        sum(occurrence_count) as occurrence_count
    from session_friction
    group by session_id, signal
),

friction as (
    select
        session_id,
        array_to_string(list_sort(list(signal)), ', ') as friction_signals,
        bool_or(is_hard_time) as has_hard_time,
        sum(occurrence_count) as friction_count
    from signals
    group by session_id
),

visits as (
    select
        s.session_id,
        v.visit_number,
        v.lifecycle,
        row_number() over (
            partition by s.session_date, s.site, s.visitor_id order by s.day_session_number
        ) as session_number
    from sessions as s
    inner join visitor_days as v
        on
            s.session_date = v.session_date
            and s.site = v.site
            and s.visitor_id = v.visitor_id
    where not s.is_bot
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
    coalesce(a.action_number, 0) as action_count,
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
    v.visit_number + v.session_number - 1 as visit_number,
    v.lifecycle,
    case
        when f.has_hard_time then true
        when h.hard_time_count is not null then false
    end as has_hard_time,
    f.friction_signals,
    coalesce(f.friction_count, 0) as friction_count,
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
left join last_actions as a
    on s.session_id = a.session_id
left join visits as v
    on s.session_id = v.session_id
left join friction as f
    on s.session_id = f.session_id
left join daily_friction as h
    on s.session_date = h.session_date and s.site = h.site
