-- One row is an attempt, a number of steps, and a set of so many steps that it can have reached:
-- all rows of reached_steps, and for funnels in mode unordered those with $step_number steps.
-- An event counts if one of the sets of the attempt lacks a step that it meets. Each event that
-- counts adds one step, and used_at_once tells which sets are possible. So an attempt reaches as
-- many steps as its events allow, and each number of steps as early as they allow.
with attempts as (
    select
        r.*,
        f.is_one_event_per_step
    from reached_steps as r
    inner join funnels as f
        on r.funnel = f.funnel
    where f.is_unordered and r.step_number = $step_number - 1
),

possible as (
    select
        a.*,
        n.step_number as added_step,
        n.next_event_time,
        n.next_session_id,
        n.next_event_number,
        concat(
            substr(a.used_at_once, 1, cast(n.step_number - 1 as integer)),
            '1',
            substr(a.used_at_once, cast(n.step_number + 1 as integer))
        ) as next_used_at_once,
        rank() over (
            partition by a.funnel, a.attempt_id
            order by
                n.next_event_time, n.next_position, n.next_event_id, n.next_session_id,
                n.next_event_number
        ) as event_rank
    from attempts as a
    inner join next_step_events as n
        on
            a.funnel = n.funnel
            and a.step_session_id = n.session_id and a.step_event_number = n.event_number
    where
        substr(a.used_at_once, cast(n.step_number as integer), 1) = '0'
        and (a.window_ends_at is null or n.next_event_time <= a.window_ends_at)
),

-- An event that meets a narrower step takes that one first.
wider_steps as (
    select distinct
        w.funnel,
        w.attempt_id,
        w.used_at_once,
        w.added_step
    from possible as w
    inner join narrower_steps as n
        on w.funnel = n.funnel and w.added_step = n.step_number
    inner join possible as p
        on
            w.funnel = p.funnel and w.attempt_id = p.attempt_id
            and w.used_at_once = p.used_at_once and n.narrower_step = p.added_step
    where w.event_rank = 1 and p.event_rank = 1
),

-- Without one event per step, an event takes its steps one after another.
reached as (
    select p.*
    from possible as p
    left join wider_steps as w
        on
            p.funnel = w.funnel and p.attempt_id = w.attempt_id
            and p.used_at_once = w.used_at_once and p.added_step = w.added_step
    where p.event_rank = 1 and w.funnel is null
    qualify
        row_number() over (
            partition by
                p.funnel, p.attempt_id,
                case when p.is_one_event_per_step then p.next_used_at_once end
            order by p.added_step, p.used_at_once
        ) = 1
)

select
    entry_date,
    funnel,
    site,
    unit_id,
    attempt_id,
    entered_at,
    window_ends_at,
    session_id,
    event_number,
    position,
    event_id,
    entry_step,
    step_number,
    met_step,
    is_taken,
    reached_at,
    step_session_id,
    step_event_number,
    used_at_once,
    stops
from reached_steps
union all
select
    entry_date,
    funnel,
    site,
    unit_id,
    attempt_id,
    entered_at,
    window_ends_at,
    session_id,
    event_number,
    position,
    event_id,
    entry_step,
    cast($step_number as bigint) as step_number,
    added_step as met_step,
    true as is_taken,
    next_event_time as reached_at,
    next_session_id as step_session_id,
    next_event_number as step_event_number,
    next_used_at_once as used_at_once,
    stops
from reached
