-- The last session of the visitor before the given one; no row without one.
select
    session_id,
    ended_at
from sessions
where
    site = $site
    and visitor_id = $visitor
    and (
        started_at < $started
        or (started_at = $started and day_session_number < $number)
    )
order by started_at desc, day_session_number desc
limit 1
