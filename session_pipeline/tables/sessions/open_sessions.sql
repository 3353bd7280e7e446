-- One row is a visitor whose session may continue after the end of the day: the visitor has an
-- event within the timeout before the end of the day (inclusive).
select
    site,
    visitor_id,
    event_time,
    session_id,
    session_date,
    run_started_at,
    event_number,
    known_user_id,
    known_client_session_id,
    known_campaign
from sessionized
where event_time >= $day_end - cast($inactivity_minutes as integer) * interval 1 minute
qualify row_number() over (partition by site, visitor_id order by place desc) = 1
