-- One row is a content of accepted lines without an event id, with its number of lines.
-- The order lets a reader of some contents skip the others.
select
    cast(content_id as varchar) as content_id,
    cast(sum(line_count) as bigint) as line_count
from earlier_lines
group by content_id
order by content_id
