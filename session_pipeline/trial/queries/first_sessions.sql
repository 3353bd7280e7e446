-- One row is one of the first $shown_sessions sessions, with its outcome and its actions. Bot
-- sessions come last, so that they do not hide the others: most sessions of an access log are from
-- bots.
with paths as (
    select
        session_id,
        string_agg(action, ' > ' order by action_number) as path
    from session_actions
    group by session_id
)

select
    s.started_at,
    s.visitor_id,
    s.duration_seconds,
    s.event_count,
    s.page_view_count,
    s.landing_page,
    s.is_bot,
    o.outcome,
    p.path
from sessions as s
inner join session_outcomes as o
    on s.session_id = o.session_id
left join paths as p
    on s.session_id = p.session_id
order by s.is_bot, s.started_at, s.day_session_number, s.session_id
limit $shown_sessions
