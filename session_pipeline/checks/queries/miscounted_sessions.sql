-- One row is a session whose event_count differs from the number of its events, or that has only
-- one of both.
with counted as (
    select
        session_id,
        count(*) as event_count
    from events
    where session_date = $session_date
    group by session_id
)

select coalesce(s.session_id, c.session_id) as session_id
from counted as c
full outer join sessions as s
    on c.session_id = s.session_id
where s.event_count is distinct from c.event_count
