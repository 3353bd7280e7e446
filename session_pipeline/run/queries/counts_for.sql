-- One row is a person that the events of the given visitor id count for, if the id is not that of a
-- person itself.
select distinct i.person_id
from identities as i
left join held_ids as h
    on i.site = h.site and h.is_of_person
where
    i.visitor_id = getvariable('held_visitor')
    and i.carried_user_id = ''
    and i.person_id <> i.visitor_id
    and coalesce(i.site = getvariable('held_site'), true)
    and h.site is null
order by i.person_id
