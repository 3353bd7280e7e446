-- One row is an erased event of a frozen day or of the days after it, on which a session can go on.
-- By person, events have the visitor id of the person, and frozen_devices has their own.
select
    e.event_date,
    e.session_date,
    e.site,
    e.session_id,
    e.event_number,
    e.event_id,
    e.event_time,
    e.file_id,
    e.line_number,
    e.event_name,
    e.page_path
from frozen_events as e
left join frozen_devices as d
    on
        e.event_date = d.event_date
        and e.session_id = d.session_id
        and e.event_number = d.event_number
where
    (e.site, e.visitor_id) in (select (site, id) from erased_visitors)
    or coalesce((e.site, d.device_id) in (select (site, id) from erased_visitors), false)
    or coalesce((e.site, e.user_id) in (select (site, id) from erased_users), false)
    or e.session_id in (select id from erased_sessions)
