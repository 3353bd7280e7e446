-- One row is one of the first $shown_lines quarantined lines of a reason.
select
    reason,
    line_number,
    detail,
    line,
    count(*) over (partition by reason) as line_count
from quarantined_lines
qualify row_number() over (partition by reason order by line_number) <= $shown_lines
order by line_count desc, reason asc, line_number asc
