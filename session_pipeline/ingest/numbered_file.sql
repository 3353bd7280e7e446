-- One row is a line of read_lines, which has one file only, with its line number.
select
    $its_file_id as file_id,
    0 as file_number,
    rowid + $first_line_number as line_number,
    rowid as row_number,
    * -- noqa: AM04
from read_lines
