-- One row is a dropped copy of an event of a session, with the file that it is from.
select
    d.*, -- noqa: AM04
    f.path
from duplicate_events as d
inner join events as e
    on d.kept_file_id = e.file_id and d.kept_line_number = e.line_number
left join source_files as f
    on d.file_id = f.file_id
where
    e.session_id = $id
    and e.event_date between $first and $last
    and d.event_date between $first and $last
order by e.event_number, f.path, d.line_number
