-- One row is a line of read_lines, with its file and its line number in the file.
-- row_number is the position in read_lines; line_places gives the file and line of each position.
select
    p.file_id,
    p.file_number,
    p.line_number,
    p.row_number,
    r.* -- noqa: AM04
from read_lines as r
inner join line_places as p on r.rowid = p.row_number
