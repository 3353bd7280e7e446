-- One row is a session of a visitor, the latest first.
select
    s.session_id,
    s.site,
    s.started_at,
    s.duration_seconds,
    o.outcome,
    s.is_bot,
    (
        select count(*)
        from session_actions as a
        where a.session_id = s.session_id and a.session_date = s.session_date
    ) as action_count
from sessions as s
inner join session_outcomes as o
    on s.session_id = o.session_id and s.session_date = o.session_date
where s.visitor_id = $visitor
order by s.started_at desc, s.day_session_number desc, s.session_id asc
limit $most_sessions
