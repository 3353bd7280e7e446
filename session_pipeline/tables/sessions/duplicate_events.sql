-- One row is a line that repeats an event.
select
    event_id,
    site,
    visitor_id,
    event_time,
    file_id,
    line_number,
    kept_file_id,
    kept_line_number,
    is_same_content
from repeated_events
