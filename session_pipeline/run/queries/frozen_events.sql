-- One row is an event of a frozen day whose raw event has expired.
select e.* -- noqa: AM04
from events as e
anti join raw_events as r
    on e.file_id = r.file_id and e.line_number = r.line_number
