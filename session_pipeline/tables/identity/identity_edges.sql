-- One row is a link between two ids of a site. Links that identity.unlink undoes have no row.
-- A row of identity_merges links what an event with both ids would link, or undoes it.
with observed as (
    select
        site,
        'observed' as origin,
        visitor_id,
        carried_user_id as user_id,
        previous_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from identity_links
    where carried_user_id <> '' or previous_id <> ''
    group by site, visitor_id, carried_user_id, previous_id
),

sites as (
    select distinct site
    from identity_links
),

by_hand as (
    select
        s.site,
        m.origin,
        m.visitor_id,
        m.user_id,
        m.previous_id
    from identity_merges as m
    cross join sites as s
    where m.site in ('', s.site)
),

given as (
    select
        site,
        origin,
        visitor_id,
        user_id,
        previous_id,
        first_seen_at,
        last_seen_at
    from observed
    union all
    select
        site,
        origin,
        visitor_id,
        user_id,
        previous_id,
        cast(null as timestamp) as first_seen_at,
        cast(null as timestamp) as last_seen_at
    from by_hand
),

usable as (
    select
        g.site,
        g.origin,
        g.visitor_id,
        case when u.user_id is null then g.user_id else '' end as user_id,
        case when p.user_id is null then g.previous_id else '' end as previous_id,
        g.first_seen_at,
        g.last_seen_at
    from given as g
    left join ignored_user_ids as u
        on g.user_id = u.user_id
    left join ignored_user_ids as p
        on g.previous_id = p.user_id
),

-- Whether a former id is one of a visitor or of a user is not known, so it is taken as both.
edges as (
    select
        site,
        origin,
        'visitor_user' as kind,
        visitor_id as id,
        user_id as other_id,
        first_seen_at,
        last_seen_at,
        origin = 'observed' as is_carried
    from usable
    where visitor_id <> '' and user_id <> ''
    union all
    select
        site,
        origin,
        'visitor_user' as kind,
        previous_id as id,
        user_id as other_id,
        first_seen_at,
        last_seen_at,
        false as is_carried
    from usable
    where previous_id <> '' and user_id <> '' and previous_id <> user_id
    union all
    select
        site,
        origin,
        'users' as kind,
        case when previous_id < user_id then previous_id else user_id end as id,
        case when previous_id < user_id then user_id else previous_id end as other_id,
        first_seen_at,
        last_seen_at,
        false as is_carried
    from usable
    where previous_id <> '' and user_id <> '' and previous_id <> user_id
    union all
    select
        site,
        origin,
        'visitors' as kind,
        case when previous_id < visitor_id then previous_id else visitor_id end as id,
        case when previous_id < visitor_id then visitor_id else previous_id end as other_id,
        first_seen_at,
        last_seen_at,
        false as is_carried
    from usable
    where
        previous_id <> ''
        and user_id = ''
        and visitor_id <> ''
        and previous_id <> visitor_id
),

undone as (
    select distinct
        site,
        kind,
        id,
        other_id
    from edges
    where origin = 'unlink'
),

known_users as (
    select distinct
        site,
        user_id
    from usable
    where user_id <> '' and origin <> 'unlink'
)

select
    e.site,
    e.kind,
    e.id,
    e.other_id,
    min(e.first_seen_at) as first_seen_at,
    max(e.last_seen_at) as last_seen_at,
    bool_or(e.is_carried) as is_carried,
    bool_or(e.origin = 'link') as is_by_settings
from edges as e
left join undone as u
    on
        e.site = u.site
        and e.kind = u.kind
        and e.id = u.id
        and e.other_id = u.other_id
left join known_users as k
    on e.site = k.site and e.id = k.user_id
left join known_users as l
    on e.site = l.site and e.other_id = l.user_id
where
    e.origin <> 'unlink'
    and u.id is null
    and (e.kind <> 'users' or (k.user_id is not null and l.user_id is not null))
group by e.site, e.kind, e.id, e.other_id
