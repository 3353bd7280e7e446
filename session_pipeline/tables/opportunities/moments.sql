-- One row is a moment: an action of a session before its last conversion, with what is known by
-- then. value is that of the conversions after it.
-- Positions are put into buckets, because few sessions are at an action at exactly equal positions.
with later_values as (
    -- One row is the events between two conversions of a session that converts several times, and
    -- the value of all later conversions. In other sessions, this is the whole value.
    select
        s.session_number,
        lag(m.event_number) over (
            partition by s.session_number order by m.event_number
        ) as from_event_number,
        m.event_number as before_event_number,
        sum(m.value) over (
            partition by s.session_number
            order by m.event_number
            rows between current row and unbounded following
        ) as value
    from outcome_matches as m
    inner join numbered_sessions as s
        on m.session_id = s.session_id and m.rule = s.outcome
    where s.has_several
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
        case when s.has_several then v.value else s.value end as value
    from session_actions as a
    inner join numbered_sessions as s
        on a.session_id = s.session_id
    inner join numbered_actions as n
        on a.session_date = n.session_date and a.site = n.site and a.action = n.action
    left join later_values as v
        on
            s.session_number = v.session_number
            and a.event_number >= coalesce(v.from_event_number, a.event_number)
            and a.event_number < v.before_event_number
    where s.last_event_number is null or a.event_number < s.last_event_number
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
