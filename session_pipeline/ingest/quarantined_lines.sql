-- One row is a line that was set aside.
-- No address is kept, not even of a line that could not be read.
select
    $file_id as file_id,
    $source as source,
    $site as site,
    rowid + $first_line_number as line_number,
    reason,
    without_addresses(detail) as detail,
    without_addresses(line) as line
from read_lines
where reason is not null
order by line_number
