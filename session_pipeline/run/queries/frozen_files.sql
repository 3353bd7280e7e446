-- One row is a delivered file that held events, or duplicates of the person's visitors, are from.
select file_id
from events
where is_held(site, visitor_id, user_id)
union
select file_id
from duplicate_events
where is_of_visitor(site, visitor_id)
