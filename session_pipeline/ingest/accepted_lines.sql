-- One row is a line that was accepted, with its number.
select
    rowid + $first_line_number as line_number,
    * exclude (is_blank, reason, detail, line)
from read_lines
where reason is null and not is_blank
