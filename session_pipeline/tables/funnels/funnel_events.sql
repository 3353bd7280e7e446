-- One row is an event of a session that starts on the day, and a funnel step or exclusion that it
-- meets.
with actions as (
    select
        session_id,
        event_number,
        action_number,
        action,
        next_action
    from session_actions
    where session_id in (select session_id from funnel_matches)
),

-- Steps of events that are no actions, such as scroll.
steps_without_action as (
    select distinct
        m.session_id,
        m.event_number
    from funnel_matches as m
    left join actions as a
        on m.session_id = a.session_id and m.event_number = a.event_number
    where m.step_number > 0 and a.session_id is null
),

stream as (
    select
        session_id,
        event_number,
        action_number,
        action
    from actions
    where session_id in (select session_id from steps_without_action)
    union all
    select
        session_id,
        event_number,
        cast(null as bigint) as action_number,
        cast(null as varchar) as action
    from steps_without_action
),

between_actions as (
    select
        session_id,
        event_number,
        action,
        coalesce(last_value(action_number ignore nulls) over until_now, 0) as action_number,
        last_value(action ignore nulls) over from_now_on as next_action
    from stream
    window
        until_now as (
            partition by session_id order by event_number
            rows between unbounded preceding and current row
        ),
        from_now_on as (
            partition by session_id order by event_number desc
            rows between unbounded preceding and current row
        )
),

-- One row is an event, the number of actions up to it, and the action after it.
places as (
    select
        session_id,
        event_number,
        action_number,
        next_action
    from actions
    union all
    select
        session_id,
        event_number,
        action_number,
        next_action
    from between_actions
    where action is null
)

select
    m.funnel,
    m.step_number,
    s.site,
    s.visitor_id,
    m.session_id,
    s.session_date,
    m.event_id,
    m.event_time,
    m.event_number,
    m.position,
    m.value,
    p.action_number,
    p.next_action,
    n.action as next_action_2,
    n.next_action as next_action_3,
    coalesce(v.breakdown, '(all)') as breakdown,
    s.is_bot,
    s.is_complete
from funnel_matches as m
inner join sessions as s
    on m.session_id = s.session_id
left join session_breakdowns as v
    on m.funnel = v.funnel and m.session_id = v.session_id
left join places as p
    on m.session_id = p.session_id and m.event_number = p.event_number
left join actions as n
    on m.session_id = n.session_id and p.action_number + 2 = n.action_number
