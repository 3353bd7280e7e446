-- One row is an event of the relation $events as tables with rows for events of sessions name it.
-- The number is null where only the id is certain: on the day after that of the session.
select
    session_id,
    null as event_number,
    event_id
from $events
union
select
    session_id,
    event_number,
    event_id
from $events
where event_date = session_date or session_date >= $open_from
union
select
    p.session_id,
    p.event_number,
    p.event_id
from frozen_places as p
inner join $events as e
    on
        p.site = e.site
        and p.event_id = e.event_id
        and p.event_time = e.event_time
        and p.session_date <> e.event_date
