-- One row is a session, an action and a signal of friction that occurred there.
select
    session_date,
    session_id,
    site,
    action,
    signal,
    occurrence_count,
    first_event_id,
    first_action_number,
    first_at,
    cast(microseconds as double) / 1000000 as seconds_lost,
    is_hard_time,
    is_bot
from friction_found
