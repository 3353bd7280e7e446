-- One row is an id that is looked for, with its site. If the given visitor id is that of a person,
-- these are also the visitor ids that only the person uses, and its user ids. So it is if the given
-- user id is the visitor id of a person, because events have it as their former id.
with sites as (
    select site
    from seen_ids
    union
    select site
    from identities
),

given as (
    select site
    from sites
    where coalesce(site = getvariable('held_site'), true)
),

of_person as (
    select
        i.site,
        i.person_id,
        i.visitor_id,
        i.carried_user_id,
        i.is_shared
    from identities as i
    inner join given as g
        on i.site = g.site
    where
        i.person_id = getvariable('held_visitor')
        or (
            list_contains(getvariable('held_former_ids'), i.person_id)
            and (i.site, i.person_id) in (select (site, previous_id) from identity_links)
        )
),

named as (
    select
        site,
        'visitor' as kind,
        getvariable('held_visitor') as id
    from given
    union
    select
        site,
        'user' as kind,
        unnest([getvariable('held_user'), getvariable('held_keyed_user')]) as id
    from given
    union
    select
        site,
        'visitor' as kind,
        visitor_id as id
    from of_person
    where carried_user_id = '' and not is_shared
    union
    select
        site,
        'visitor' as kind,
        person_id as id
    from of_person
    union
    -- A user id without such a link, such as one of many people, does not say who an event is of.
    select
        o.site,
        'user' as kind,
        o.carried_user_id as id
    from of_person as o
    inner join identity_edges as e
        on
            o.site = e.site
            and e.kind = 'visitor_user'
            and o.visitor_id = e.id
            and o.carried_user_id = e.other_id
)

select
    site,
    kind,
    id,
    site in (
        select site
        from of_person
        where person_id = getvariable('held_visitor')
    ) as is_of_person
from named
where id is not null
