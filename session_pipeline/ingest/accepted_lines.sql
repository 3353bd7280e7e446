-- One row is a line that was accepted, with its place.
select * exclude (is_blank, reason, detail, line)
from numbered_lines
where reason is null and not is_blank
