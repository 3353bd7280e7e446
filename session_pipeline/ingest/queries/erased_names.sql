-- One row is a page or an action that only erased events of a session have.
with pages as (
    select
        f.session_id,
        f.page_path as name,
        e.session_id is not null as is_erased
    from frozen_events as f
    left join erased_events as e
        on f.session_id = e.session_id and f.event_number = e.event_number
    where f.session_id in (select session_id from erased_places)
),

-- Of the next day, whose events can have got another session.
later_pages as (
    select
        p.session_id,
        f.page_path as name,
        e.session_id is not null as is_erased
    from frozen_places as p
    inner join frozen_events as f
        on
            p.site = f.site
            and p.event_id = f.event_id
            and p.event_time = f.event_time
            and p.session_date <> f.event_date
    left join erased_events as e
        on f.session_id = e.session_id and f.event_number = e.event_number
    where p.session_id in (select session_id from erased_places)
),

actions as (
    select
        session_id,
        action as name,
        (session_id, event_number) in (
            select (session_id, event_number) from erased_places
        ) as is_erased
    from frozen_actions
    where session_id in (select session_id from erased_places)
),

names as (
    select
        session_id,
        name,
        is_erased
    from pages
    union all
    select
        session_id,
        name,
        is_erased
    from later_pages
    union all
    select
        session_id,
        name,
        is_erased
    from actions
)

select
    session_id,
    name
from names
where name is not null
group by session_id, name
having bool_and(is_erased)
