-- One row is an event of a session, with the file that it is from.
select
    e.*, -- noqa: AM04
    f.path
from events as e
left join source_files as f
    on e.file_id = f.file_id
where
    e.session_id = $id
    and e.event_date between $first and $last
order by e.event_number
