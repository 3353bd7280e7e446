-- One row is an event kept in the last hour of the day. The next day drops its copies.
select
    s.event_date,
    r.site,
    r.visitor_id,
    r.event_id,
    r.content_hash,
    r.file_id,
    r.line_number
from sessionized as s
inner join raw_events as r
    on s.file_id = r.file_id and s.line_number = r.line_number
inner join days as d
    on s.event_date = d.event_date
where
    s.event_time >= d.day_end - cast($carried_minutes as integer) * interval 1 minute
