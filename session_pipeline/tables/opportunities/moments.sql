-- One row is a moment: an action of a session before its first conversion, with what is known by
-- then. Of a session that has converted, no moment is kept: if those before a further conversion
-- were, all sessions that are compared there would convert.
-- Positions are put into buckets, because few sessions are at an action at exactly equal positions.
with first_conversions as (
    -- Also by a rule that is not the outcome of the session, because another one has priority.
    select
        s.session_number,
        min(m.event_number) as event_number
    from outcome_matches as m
    inner join outcome_rules as r
        on m.rule = r.outcome
    inner join numbered_sessions as s
        on m.session_id = s.session_id
    where r.is_conversion
    group by s.session_number
),

reached as (
    select
        s.session_number,
        m.event_number,
        m.step_number,
        max(m.step_number) over (
            partition by s.session_number, m.funnel
            order by m.event_number, m.step_number
            rows between unbounded preceding and 1 preceding
        ) as step_number_before
    from funnel_matches as m
    inner join numbered_sessions as s
        on m.session_id = s.session_id
    where m.step_number > 0
),

gains as (
    select
        session_number,
        event_number,
        sum(step_number - coalesce(step_number_before, 0)) as gain
    from reached
    where step_number > coalesce(step_number_before, 0)
    group by session_number, event_number
),

stages as (
    -- One row is the events of a session at one stage: those after an event that reached a funnel
    -- step, up to the next such event.
    select
        session_number,
        event_number as after_event_number,
        lead(event_number) over session_in_order as until_event_number,
        sum(gain) over session_in_order as stage
    from gains
    window session_in_order as (partition by session_number order by event_number)
),

placed as (
    select
        s.session_number,
        n.label_number,
        a.action_number,
        a.event_number,
        case
            when a.action_number <= 3 then a.action_number
            when a.action_number <= 5 then 4
            when a.action_number <= 8 then 6
            when a.action_number <= 13 then 9
            else 14
        end as position_bucket,
        s.value
    from session_actions as a
    inner join numbered_sessions as s
        on a.session_id = s.session_id
    inner join numbered_actions as n
        on a.session_date = n.session_date and a.site = n.site and a.action = n.action
    left join first_conversions as c
        on s.session_number = c.session_number
    where c.event_number is null or a.event_number < c.event_number
)

select
    p.session_number,
    p.label_number,
    p.action_number,
    p.position_bucket,
    cast(coalesce(t.stage, 0) as integer) as stage,
    p.value,
    lag(p.position_bucket) over action_in_order is null as is_first,
    coalesce(lag(p.position_bucket) over action_in_order <> p.position_bucket, true)
        as is_first_in_bucket
from placed as p
left join stages as t
    on
        p.session_number = t.session_number
        and p.event_number > t.after_event_number
        and p.event_number <= coalesce(t.until_event_number, p.event_number)
window action_in_order as (
    partition by p.session_number, p.label_number order by p.action_number
)
