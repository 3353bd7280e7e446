-- One row is an accepted line, with its file and line number.
select * exclude (is_blank, reason, detail, line) -- noqa: AM04
from numbered_lines
where reason is null and not is_blank
