-- One row is a visitor that has one of the ids that are looked for, with its site. A visitor that
-- also has other user ids is shared: only the events with the user ids are held of it. If the ids
-- are those of a person, all visitors that are not the person's own are shared.
with named as (
    select
        s.site,
        s.visitor_id
    from seen_ids as s
    inner join held_ids as h
        on
            s.site = h.site
            and h.id = case when h.kind = 'visitor' then s.visitor_id else s.user_id end
    union
    select
        site,
        id as visitor_id
    from held_ids
    where kind = 'visitor' and is_of_person
),

sites_of_person as (
    select distinct site
    from held_ids
    where is_of_person
)

select
    n.site,
    n.visitor_id,
    bool_and(v.id is null)
    and bool_or(
        p.site is not null
        or (
            s.user_id is not null
            and u.id is null
            and not list_contains(getvariable('ignored_users'), s.user_id)
        )
    ) as is_shared
from named as n
left join seen_ids as s
    on n.site = s.site and n.visitor_id = s.visitor_id
left join held_ids as v
    on n.site = v.site and v.kind = 'visitor' and n.visitor_id = v.id
left join held_ids as u
    on n.site = u.site and u.kind = 'user' and s.user_id = u.id
left join sites_of_person as p
    on n.site = p.site
group by n.site, n.visitor_id
