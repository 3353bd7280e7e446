-- One row is an attempt and a step: all rows of reached_steps, and for funnels in mode unordered
-- the step $step_number of each attempt, taken or not. An attempt takes it with the first event
-- that meets it from the entry on; with one event per step, the first that no step before has used.
with attempts as (
    select
        r.*,
        q.is_one_event_per_step
    from reached_steps as r
    inner join funnel_step_rules as q
        on r.funnel = q.funnel
    where
        q.is_unordered
        and q.step_number = $step_number
        and r.step_number = $step_number - 1
),

candidates as (
    select
        e.funnel,
        e.site,
        e.unit_id,
        e.event_time,
        e.position,
        e.event_id,
        e.session_id,
        e.event_number,
        concat_ws('', '|', e.session_id, ':', cast(e.event_number as varchar), '|') as event_key,
        row_number() over (
            partition by e.funnel, e.site, e.unit_id
            order by e.event_time, e.position, e.event_id, e.session_id, e.event_number
        ) as candidate_number
    from step_events as e
    where
        e.step_number = $step_number
        and e.funnel in (
            select f.funnel from funnels as f
            where f.is_unordered
        )
),

-- The window below orders from the last event to the first, so each attempt sees the event of its
-- entry and those after it.
stream as (
    select
        funnel,
        site,
        unit_id,
        entered_at as at_time,
        1 as is_attempt,
        attempt_id,
        position,
        event_id,
        session_id,
        event_number,
        cast(null as bigint) as candidate_number
    from attempts
    union all
    select
        funnel,
        site,
        unit_id,
        event_time as at_time,
        0 as is_attempt,
        cast(null as varchar) as attempt_id,
        position,
        event_id,
        session_id,
        event_number,
        candidate_number
    from candidates
),

with_first as (
    select
        funnel,
        attempt_id,
        last_value(candidate_number ignore nulls) over (
            partition by funnel, site, unit_id
            order by
                at_time desc, position desc, event_id desc, session_id desc, event_number desc,
                is_attempt asc
            rows between unbounded preceding and current row
        ) as first_number
    from stream
),

-- Each step before can have used one event, so one of the first $step_number events is free.
free as (
    select
        a.funnel,
        a.attempt_id,
        c.event_time,
        c.session_id,
        c.event_number,
        c.event_key
    from attempts as a
    inner join with_first as w
        on a.funnel = w.funnel and a.attempt_id = w.attempt_id
    inner join funnel_step_rules as o
        on a.funnel = o.funnel and o.step_number <= $step_number
    inner join candidates as c
        on
            a.funnel = c.funnel and a.site = c.site and a.unit_id = c.unit_id
            and w.first_number + o.step_number - 1 = c.candidate_number
    where
        (not a.is_one_event_per_step or not contains(a.used_at_once, c.event_key))
        and (a.window_ends_at is null or c.event_time <= a.window_ends_at)
    qualify
        row_number() over (partition by a.funnel, a.attempt_id order by c.candidate_number) = 1
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
    a.entry_date,
    a.funnel,
    a.site,
    a.unit_id,
    a.attempt_id,
    a.entered_at,
    a.window_ends_at,
    a.session_id,
    a.event_number,
    a.position,
    a.event_id,
    a.entry_step,
    cast($step_number as bigint) as step_number,
    cast($step_number as bigint) as met_step,
    c.attempt_id is not null as is_taken,
    coalesce(c.event_time, a.reached_at) as reached_at,
    coalesce(c.session_id, a.step_session_id) as step_session_id,
    coalesce(c.event_number, a.step_event_number) as step_event_number,
    concat_ws('', a.used_at_once, c.event_key) as used_at_once,
    a.stops
from attempts as a
left join free as c
    on a.funnel = c.funnel and a.attempt_id = c.attempt_id
