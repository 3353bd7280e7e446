-- One row is a file in which lines have several events: the events beyond the first of their lines.
select
    file_id,
    count(*) as event_count
from numbered_lines
where event_in_line > 1
group by file_id
order by file_id
