-- One row is a session that consists of the person's events only, or an id that such a session had
-- before it was rebuilt.
select session_id
from events
group by session_id
having bool_and(is_held(site, visitor_id, user_id))
union
select unnest([replaced_session_id, session_id]) as session_id
from session_changes
where is_of_visitor(site, visitor_id)
