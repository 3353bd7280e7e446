-- One row is a visitor that has one of the ids of a person, with its site. A visitor that also has
-- other user ids is shared: only the person's own events are held of it.
with named as (
    select distinct
        site,
        visitor_id
    from seen_ids
    where
        (visitor_id = getvariable('held_visitor') or user_id = getvariable('held_user'))
        and coalesce(site = getvariable('held_site'), true)
)

select
    r.site,
    r.visitor_id,
    coalesce(r.visitor_id <> getvariable('held_visitor'), true)
    and coalesce(bool_or(r.user_id <> getvariable('held_user')), false) as is_shared
from seen_ids as r
inner join named as n
    on r.site = n.site and r.visitor_id = n.visitor_id
group by r.site, r.visitor_id
