-- One row is an action in a session. Events that are not actions (assets, pings) are not numbered.
with labels as (
    select
        event_name,
        page_path,
        min(action) as action
    from action_labels
    group by event_name, page_path
),

-- Numbers are sorted faster than texts.
numbered_sessions as (
    select
        session_id,
        is_bot,
        row_number() over (order by session_id) as session_number
    from sessions
),

actions as (
    select
        e.session_date,
        e.session_id,
        e.site,
        l.action,
        e.event_id,
        e.event_number,
        e.event_name,
        e.event_time as occurred_at,
        s.is_bot,
        row_number() over session_in_order as action_number,
        lag(l.action) over session_in_order as previous_action,
        lead(l.action) over session_in_order as next_action,
        lead(e.event_time) over session_in_order as next_at
    from paged_events as e
    inner join labels as l
        on e.event_name = l.event_name and e.action_page = l.page_path
    inner join numbered_sessions as s
        on e.session_id = s.session_id
    where e.session_date in (select event_date from days) and l.action is not null
    window session_in_order as (partition by s.session_number order by e.event_number)
)

select
    a.session_date,
    a.session_id,
    a.site,
    a.action_number,
    a.action,
    a.event_id,
    a.event_number,
    a.event_name,
    a.occurred_at,
    cast(date_diff('microsecond', a.occurred_at, a.next_at) as double) / 1000000 as seconds_to_next,
    a.previous_action,
    a.next_action,
    a.action_number = 1 as is_landing,
    a.next_at is null as is_exit,
    a.is_bot
from actions as a
