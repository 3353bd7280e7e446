-- One row is a file and a reason for which lines of it are quarantined.
select
    file_id,
    reason,
    count(*) as line_count
from numbered_lines
where reason is not null
group by file_id, reason
order by file_id, reason
