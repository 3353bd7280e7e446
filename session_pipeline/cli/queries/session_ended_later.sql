-- The other session of the visitor that ends last, if that is after the given one; no row without
-- one. Sessions of different client_session_ids can overlap.
select session_id
from sessions
where
    site = $site
    and visitor_id = $visitor
    and ended_at > $ended
order by ended_at desc, day_session_number desc
limit 1
