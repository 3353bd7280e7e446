-- One row is a content of accepted lines without an event id, with its number of lines.
select
    cast(content_hash as uuid) as content_id,
    count(*) as line_count
from accepted_lines
where event_id is null
group by content_id
