-- One row is an event with the visitor id that its source gave. If sessions are by person, events
-- have the visitor id of the person, and event_devices has their own.
select e.* replace (coalesce(d.device_id, e.visitor_id) as visitor_id) -- noqa: AM04
from events_of_persons as e
left join event_devices as d
    on
        e.event_date = d.event_date
        and e.site = d.site
        and e.session_id = d.session_id
        and e.event_number = d.event_number
