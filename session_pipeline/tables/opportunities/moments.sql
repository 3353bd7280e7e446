-- One row is a moment of a session: the first time it was at an action, within a bucket of
-- positions, before its last conversion.
-- Positions are put into buckets, because few sessions are at an action at exactly equal positions.
with conversions as (
    -- A session that converts as a whole has no such event: its conversion is after every action.
    select
        o.session_id,
        o.value,
        max(m.event_number) as last_event_number
    from session_outcomes as o
    left join outcome_matches as m
        on o.session_id = m.session_id and o.outcome = m.rule
    where o.is_converted
    group by o.session_id, o.value
),

deepest_steps as (
    select
        session_id,
        funnel,
        event_number,
        step_number,
        max(step_number) over (
            partition by session_id, funnel
            order by event_number, step_number
            rows between unbounded preceding and 1 preceding
        ) as step_number_before
    from funnel_matches
    where step_number > 0
),

gains as (
    select
        session_id,
        event_number,
        sum(step_number - coalesce(step_number_before, 0)) as gain
    from deepest_steps
    where step_number > coalesce(step_number_before, 0)
    group by session_id, event_number
),

stages as (
    -- One row is the events of a session at one stage: those after an event that reached a funnel
    -- step, up to the next such event.
    select
        session_id,
        event_number as after_event_number,
        lead(event_number) over session_in_order as until_event_number,
        sum(gain) over session_in_order as stage
    from gains
    window session_in_order as (partition by session_id order by event_number)
),

open_actions as (
    select
        a.session_date,
        a.site,
        a.session_id,
        a.action,
        a.action_number,
        a.event_number,
        case
            when a.action_number <= 3 then a.action_number
            when a.action_number <= 5 then 4
            when a.action_number <= 8 then 6
            when a.action_number <= 13 then 9
            else 14
        end as position_bucket,
        c.session_id is not null as is_converted,
        c.value,
        c.last_event_number,
        a.is_exit
    from session_actions as a
    left join conversions as c
        on a.session_id = c.session_id
    where
        not a.is_bot
        and (c.last_event_number is null or a.event_number < c.last_event_number)
),

firsts as (
    select
        *,
        row_number() over (
            partition by session_id, action
            order by action_number
        ) = 1 as is_first
    from open_actions
    qualify row_number() over (
        partition by session_id, action, position_bucket
        order by action_number
    ) = 1
)

select
    f.session_date,
    f.site,
    f.session_id,
    f.action,
    f.position_bucket,
    f.action_number,
    coalesce(t.stage, 0) as stage,
    coalesce(s.device, '(none)') as device,
    f.is_converted,
    f.value,
    f.last_event_number,
    f.is_exit,
    f.is_first
from firsts as f
inner join sessions as s
    on f.session_id = s.session_id
left join stages as t
    on
        f.session_id = t.session_id
        and f.event_number > t.after_event_number
        and f.event_number <= coalesce(t.until_event_number, f.event_number)
