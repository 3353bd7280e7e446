-- One row is a moment: an action of a session before its last conversion, with what is known by
-- then. value is that of the conversions after it.
-- Positions are put into buckets, because few sessions are at an action at exactly equal positions.
with converting_events as (
    select
        m.session_id,
        m.event_number,
        m.value
    from outcome_matches as m
    inner join session_outcomes as o
        on m.session_id = o.session_id and m.rule = o.outcome
    where o.is_converted
),

conversions as (
    -- A session that converts as a whole has no such event: its conversion is after every action.
    select
        o.session_id,
        o.value,
        max(e.event_number) as last_event_number,
        count(e.event_number) > 1 as has_several
    from session_outcomes as o
    left join converting_events as e
        on o.session_id = e.session_id
    where o.is_converted
    group by o.session_id, o.value
),

events_in_order as (
    -- One row is an action or a conversion of a session that converts several times. In all other
    -- sessions, the whole value is that of a later conversion.
    select
        a.session_id,
        a.event_number,
        cast(null as decimal(18, 6)) as value,
        1 as is_action
    from session_actions as a
    inner join conversions as c
        on a.session_id = c.session_id
    where c.has_several
    union all
    select
        e.session_id,
        e.event_number,
        e.value,
        0 as is_action
    from converting_events as e
    inner join conversions as c
        on e.session_id = c.session_id
    where c.has_several
),

later_values as (
    select
        session_id,
        event_number,
        is_action,
        sum(value) over (
            partition by session_id
            order by event_number desc, is_action desc
            rows between unbounded preceding and current row
        ) as value
    from events_in_order
),

reached as (
    select
        session_id,
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
    from reached
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

placed as (
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
        coalesce(s.device, '(none)') as device,
        c.session_id is not null as is_converted,
        case when c.has_several then v.value else c.value end as value
    from session_actions as a
    inner join sessions as s
        on a.session_id = s.session_id
    left join conversions as c
        on a.session_id = c.session_id
    left join later_values as v
        on a.session_id = v.session_id and a.event_number = v.event_number and v.is_action = 1
    where
        not a.is_bot
        and (c.last_event_number is null or a.event_number < c.last_event_number)
)

select
    p.session_date,
    p.site,
    p.session_id,
    p.action,
    p.action_number,
    p.position_bucket,
    p.device,
    coalesce(t.stage, 0) as stage,
    p.is_converted,
    p.value,
    lag(p.position_bucket) over action_in_order is null as is_first,
    coalesce(lag(p.position_bucket) over action_in_order <> p.position_bucket, true)
        as is_first_in_bucket
from placed as p
left join stages as t
    on
        p.session_id = t.session_id
        and p.event_number > t.after_event_number
        and p.event_number <= coalesce(t.until_event_number, p.event_number)
window action_in_order as (partition by p.session_id, p.action order by p.action_number)
