-- One row is a visitor id that only rows about the person have, with its site. By person, this is
-- also the id of a person of whom all events are held.
select
    site,
    visitor_id
from persons
where not is_shared
union
select
    site,
    id as visitor_id
from held_ids
where kind = 'visitor'
union
select
    site,
    person_id as visitor_id
from identities
group by site, person_id
having bool_and(is_held(site, visitor_id, nullif(carried_user_id, '')))
order by site, visitor_id
