-- One row is a reason for quarantined lines, over all files.
select
    reason,
    count(*) as line_count,
    count(distinct file_id) as file_count,
    min(detail) as example_detail
from quarantined_lines
group by reason
order by line_count desc, reason asc
