-- One row is an event that counts for another id than its own visitor id.
select
    e.event_date,
    e.site,
    e.session_id,
    e.event_number,
    e.visitor_id,
    r.visitor_id as device_id,
    e.is_bot
from events as e
inner join raw_events as r
    on e.file_id = r.file_id and e.line_number = r.line_number
where e.visitor_id <> r.visitor_id
