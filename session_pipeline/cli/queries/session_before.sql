-- The last session of the visitor before the given one; no row without one.
select
    session_id,
    ended_at
from sessions
where
    site = $site
    and visitor_id = $visitor
    and started_at < $started
order by started_at desc, session_id asc
limit 1
