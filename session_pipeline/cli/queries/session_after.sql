-- The first session of the visitor after the given one; no row without one.
select
    session_id,
    started_at,
    break_reason
from sessions
where
    site = $site
    and visitor_id = $visitor
    and started_at >= $started
    and session_id <> $id
order by started_at, session_id
limit 1
