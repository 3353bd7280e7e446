-- One row is a session, the latest first; of a day and with an outcome if they are given.
select
    s.session_id,
    s.session_date,
    s.started_at,
    s.site,
    s.visitor_id,
    s.duration_seconds,
    s.event_count,
    s.landing_page,
    s.channel,
    s.is_bot,
    o.outcome,
    o.value,
    o.currency
from sessions as s
inner join session_outcomes as o
    on s.session_id = o.session_id and s.session_date = o.session_date
where
    ($day is null or s.session_date = $day)
    and ($outcome is null or o.outcome = $outcome)
order by s.started_at desc, s.day_session_number desc, s.session_id asc
limit $most_sessions
