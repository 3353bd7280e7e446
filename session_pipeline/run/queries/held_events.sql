-- One row is an event that is held.
select
    event_date,
    session_date,
    site,
    session_id,
    event_number,
    event_id,
    event_time
from events
where is_held(site, visitor_id, user_id)
