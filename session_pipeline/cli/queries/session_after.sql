-- The first session of the visitor after the given one; no row without one.
select
    session_id,
    started_at,
    break_reason
from sessions
where
    site = $site
    and visitor_id = $visitor
    and (
        started_at > $started
        or (started_at = $started and day_session_number > $number)
    )
order by started_at, day_session_number
limit 1
