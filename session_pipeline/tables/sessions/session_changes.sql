-- One row is a session that lost events of a day when the day was rebuilt, and the session that
-- they belong to now. Events are matched by id, which is unique within a day for a visitor. A
-- session that only gained events and kept its id has no row.
with moved as (
    select
        b.site,
        b.visitor_id,
        b.session_id as replaced_session_id,
        b.session_date as replaced_session_date,
        e.session_id,
        e.session_date,
        count(*) as event_count
    from events_before as b
    left join events as e
        on
            b.site = e.site
            and b.visitor_id = e.visitor_id
            and b.event_id = e.event_id
    where e.session_id is null or e.session_id <> b.session_id
    group by b.site, b.visitor_id, b.session_id, b.session_date, e.session_id, e.session_date
),

bots_before as (
    select
        session_id,
        bool_or(is_bot) as is_bot
    from events_before
    group by session_id
),

events_now as (
    select
        site,
        visitor_id,
        session_id,
        file_id
    from events
    union all
    select
        site,
        visitor_id,
        session_id,
        file_id
    from earlier_events
),

there_now as (
    select distinct session_id
    from events_now
),

there_before as (
    select session_id
    from events_before
    union
    select session_id
    from earlier_sessions
),

new_of_session as (
    select
        e.session_id,
        min(e.file_id) as file_id
    from events_now as e
    inner join new_files as f
        on e.file_id = f.file_id
    group by e.session_id
),

new_of_visitor as (
    select
        e.site,
        e.visitor_id,
        min(e.file_id) as file_id
    from events_now as e
    inner join new_files as f
        on e.file_id = f.file_id
    group by e.site, e.visitor_id
)

select
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
    $changed_at,
    $run_id,
    $reason,
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
inner join bots_before as b
    on m.replaced_session_id = b.session_id
left join there_now as r
    on m.replaced_session_id = r.session_id
left join there_before as t
    on m.session_id = t.session_id
left join new_of_session as s
    on m.session_id = s.session_id
left join new_of_visitor as v
    on m.site = v.site and m.visitor_id = v.visitor_id
