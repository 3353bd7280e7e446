-- One row is a line of read_lines, with the file it is from and its number there.
-- row_number is the place in read_lines; a row of line_places says what lies at it.
select
    p.file_id,
    p.file_number,
    p.line_number,
    p.row_number,
    r.*
from read_lines as r
inner join line_places as p on r.rowid = p.row_number
