-- One row is a session that lost events of a day when the day was rebuilt, and the session that
-- they belong to now. Events are matched by id, which is unique within a day for a visitor. By
-- person, the visitor can change, so file and line are compared, too; an event whose kept copy is
-- another one is matched by id and time. A session that only gained events and kept its id has no
-- row.
with keyed_before as (
    select
        event_date,
        site,
        visitor_id,
        event_id,
        event_time,
        session_id,
        session_date,
        case
            when $by_person then concat_ws('|', file_id, cast(line_number as varchar))
            else visitor_id
        end as match_key
    from events_before
),

keyed_now as (
    select
        event_date,
        site,
        visitor_id,
        event_id,
        event_time,
        session_id,
        session_date,
        case
            when $by_person then concat_ws('|', file_id, cast(line_number as varchar))
            else visitor_id
        end as match_key
    from events
),

-- By person: copies that were kept before and are not now. Those with equal id and time are
-- numbered, to be matched with the copies that replace them.
replaced_copies as (
    select
        b.event_date,
        b.site,
        b.event_id,
        b.event_time,
        b.match_key,
        row_number() over (
            partition by b.event_date, b.site, b.event_id, b.event_time
            order by b.visitor_id, b.match_key
        ) as copy_number
    from keyed_before as b
    left join keyed_now as e
        on
            b.event_date = e.event_date
            and b.site = e.site
            and b.event_id = e.event_id
            and b.match_key = e.match_key
    where e.session_id is null and $by_person
),

-- By person: copies that are kept now and were not before, numbered alike.
new_copies as (
    select
        e.event_date,
        e.site,
        e.event_id,
        e.event_time,
        e.match_key,
        row_number() over (
            partition by e.event_date, e.site, e.event_id, e.event_time
            order by e.visitor_id, e.match_key
        ) as copy_number
    from keyed_now as e
    left join keyed_before as b
        on
            e.event_date = b.event_date
            and e.site = b.site
            and e.event_id = b.event_id
            and e.match_key = b.match_key
    where b.session_id is null and $by_person
),

copies as (
    select
        r.event_date,
        r.site,
        r.event_id,
        r.match_key,
        n.match_key as new_key
    from replaced_copies as r
    inner join new_copies as n
        on
            r.event_date = n.event_date
            and r.site = n.site
            and r.event_id = n.event_id
            and r.event_time = n.event_time
            and r.copy_number = n.copy_number
),

moved as (
    select
        b.event_date,
        b.site,
        b.visitor_id,
        b.session_id as replaced_session_id,
        b.session_date as replaced_session_date,
        e.session_id,
        e.session_date,
        count(*) as event_count
    from keyed_before as b
    left join copies as c
        on
            b.event_date = c.event_date
            and b.site = c.site
            and b.event_id = c.event_id
            and b.match_key = c.match_key
    left join keyed_now as e
        on
            b.event_date = e.event_date
            and b.site = e.site
            and b.event_id = e.event_id
            and coalesce(c.new_key, b.match_key) = e.match_key
    where e.session_id is null or e.session_id <> b.session_id
    group by
        b.event_date, b.site, b.visitor_id, b.session_id, b.session_date,
        e.session_id, e.session_date
),

bots_before as (
    select
        event_date,
        session_id,
        bool_or(is_bot) as is_bot
    from events_before
    group by event_date, session_id
),

events_now as (
    select
        event_date,
        site,
        visitor_id,
        session_id,
        file_id
    from events
    union all
    select
        event_date,
        site,
        visitor_id,
        session_id,
        file_id
    from earlier_events
),

-- One row is an event that a session of a changed day can have: of the day or shortly before it.
seen as (
    select
        d.event_date,
        e.site,
        e.visitor_id,
        e.session_id,
        e.file_id
    from events_now as e
    inner join days as d
        on date_diff('day', e.event_date, d.event_date) between 0 and 3
),

there_now as (
    select distinct
        event_date,
        session_id
    from seen
),

there_before as (
    select session_id
    from events_before
    union
    select session_id
    from earlier_sessions
),

new_events as (
    select
        e.event_date,
        e.site,
        e.visitor_id,
        e.session_id,
        e.file_id
    from seen as e
    inner join new_files as f
        on e.event_date = f.event_date and e.file_id = f.file_id
),

new_of_session as (
    select
        event_date,
        session_id,
        min(file_id) as file_id
    from new_events
    group by event_date, session_id
),

new_of_visitor as (
    select
        event_date,
        site,
        visitor_id,
        min(file_id) as file_id
    from new_events
    group by event_date, site, visitor_id
)

select
    event_date,
    changed_at,
    run_id,
    reason,
    site,
    visitor_id,
    replaced_session_id,
    replaced_session_date,
    session_id,
    session_date,
    change,
    event_count,
    file_id,
    is_bot
from session_changes_before
union all
select
    m.event_date,
    $changed_at,
    $run_id,
    d.reason,
    m.site,
    m.visitor_id,
    m.replaced_session_id,
    m.replaced_session_date,
    m.session_id,
    m.session_date,
    case
        when m.session_id is null then 'dropped'
        when r.session_id is not null then 'split'
        when t.session_id is not null then 'merged'
        else 'restarted'
    end as change,
    m.event_count,
    coalesce(s.file_id, v.file_id) as file_id,
    b.is_bot
from moved as m
inner join days as d
    on m.event_date = d.event_date
inner join bots_before as b
    on m.event_date = b.event_date and m.replaced_session_id = b.session_id
left join there_now as r
    on m.event_date = r.event_date and m.replaced_session_id = r.session_id
left join there_before as t
    on m.session_id = t.session_id
left join new_of_session as s
    on m.event_date = s.event_date and m.session_id = s.session_id
left join new_of_visitor as v
    on m.event_date = v.event_date and m.site = v.site and m.visitor_id = v.visitor_id
