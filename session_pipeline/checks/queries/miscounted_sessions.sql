-- One row is a day, and the number of its sessions whose event_count differs from the number of
-- their events, or that have only one of both.
with counted as (
    select
        session_date,
        session_id,
        count(*) as event_count
    from events
    where session_date in (select event_date from days)
    group by session_date, session_id
)

select
    coalesce(s.session_date, c.session_date) as session_date,
    count(*) as session_count
from counted as c
full outer join sessions as s
    on c.session_id = s.session_id
where s.event_count is distinct from c.event_count
group by coalesce(s.session_date, c.session_date)
order by session_date
