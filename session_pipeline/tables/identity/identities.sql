-- One row is a linked visitor id, with a user id or without, and the person its events count for.
-- A visitor id that is used by several persons links none of them: events with a user id count for
-- that user, and the others for the visitor id itself.
with owners as (
    select
        e.site,
        e.id as visitor_id,
        coalesce(v.group_id, e.id) as visitor_group,
        e.other_id as user_id,
        coalesce(u.group_id, e.other_id) as user_group,
        e.is_carried,
        e.first_seen_at
    from identity_edges as e
    left join id_groups as v
        on e.site = v.site and v.kind = 'visitors' and e.id = v.id
    left join id_groups as u
        on e.site = u.site and u.kind = 'users' and e.other_id = u.id
    where e.kind = 'visitor_user'
),

visitor_groups as (
    select
        site,
        visitor_group,
        min(user_group) as user_group,
        min(user_group) <> max(user_group) as is_shared
    from owners
    group by site, visitor_group
),

-- The first visitor id of a person that no other person uses: the person has its id.
main_visitors as (
    select
        o.site,
        o.user_group,
        o.visitor_id
    from owners as o
    inner join visitor_groups as g
        on o.site = g.site and o.visitor_group = g.visitor_group
    where not g.is_shared
    qualify
        row_number() over (
            partition by o.site, o.user_group
            order by
                o.is_carried desc,
                o.first_seen_at asc nulls last,
                o.visitor_id asc,
                o.user_id asc
        ) = 1
),

persons as (
    select distinct
        o.site,
        o.user_group,
        coalesce(m.visitor_id, md5(concat_ws('|', 'person', o.user_group))) as person_id
    from owners as o
    left join main_visitors as m
        on o.site = m.site and o.user_group = m.user_group
),

members as (
    select
        site,
        visitor_id,
        visitor_group
    from owners
    union
    select
        site,
        id as visitor_id,
        group_id as visitor_group
    from id_groups
    where kind = 'visitors'
),

without_user as (
    select
        m.site,
        m.visitor_id,
        coalesce(
            case when not g.is_shared then p.person_id end, m.visitor_group
        ) as person_id,
        coalesce(g.is_shared, false) as is_shared
    from members as m
    left join visitor_groups as g
        on m.site = g.site and m.visitor_group = g.visitor_group
    left join persons as p
        on g.site = p.site and g.user_group = p.user_group
),

carried as (
    select distinct
        site,
        visitor_id,
        carried_user_id
    from identity_links
    where carried_user_id <> ''
)

select
    site,
    visitor_id,
    '' as carried_user_id,
    person_id,
    is_shared
from without_user
union all
select
    c.site,
    c.visitor_id,
    c.carried_user_id,
    coalesce(p.person_id, w.person_id) as person_id,
    w.is_shared
from carried as c
inner join without_user as w
    on c.site = w.site and c.visitor_id = w.visitor_id
left join owners as o
    on
        c.site = o.site
        and c.visitor_id = o.visitor_id
        and c.carried_user_id = o.user_id
left join persons as p
    on o.site = p.site and o.user_group = p.user_group
