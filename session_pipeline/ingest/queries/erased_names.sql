-- One row is a page or an action that only erased events of a session have.
with pages as (
    select
        f.session_id,
        f.page_path as name,
        e.session_id is not null as is_erased
    from frozen_events as f
    left join erased_events as e
        on f.session_id = e.session_id and f.event_number = e.event_number
    where f.session_id in (select session_id from erased_events)
),

actions as (
    select
        a.session_id,
        a.action as name,
        e.session_id is not null as is_erased
    from frozen_actions as a
    left join erased_events as e
        on a.session_id = e.session_id and a.event_number = e.event_number
    where a.session_id in (select session_id from erased_events)
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
    from actions
)

select
    session_id,
    name
from names
where name is not null
group by session_id, name
having bool_and(is_erased)
