-- One row is an attempt and a step it reached: all rows of reached_steps, and step $step_number for
-- the attempts that reach it. session_id, event_number, position and event_id are those of the
-- event that entered the funnel. The event of the next step may have the same time as that of the
-- step before (ties convert), but must not be an event already used at that time.
with attempts as (
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
        reached_at,
        used_at_once
    from reached_steps
    where step_number = $step_number - 1
),

candidates as (
    select
        f.funnel,
        e.site,
        case when f.grain = 'session' then e.session_id else e.visitor_id end as unit_id,
        e.event_time,
        e.session_id,
        e.event_number,
        e.position,
        e.event_id,
        e.next_action,
        concat_ws('', '|', e.session_id, ':', cast(e.event_number as varchar), '|') as event_key
    from funnel_events as e
    inner join funnels as f
        on e.funnel = f.funnel
    where e.step_number = $step_number
),

at_the_same_time as (
    select
        a.attempt_id,
        a.funnel,
        c.event_time,
        c.next_action,
        concat_ws('', a.used_at_once, c.event_key) as used_at_once
    from attempts as a
    inner join candidates as c
        on
            a.funnel = c.funnel and a.site = c.site and a.unit_id = c.unit_id
            and a.reached_at = c.event_time
    where not contains(a.used_at_once, c.event_key)
    qualify
        row_number() over (
            partition by a.funnel, a.attempt_id
            order by c.position, c.event_id, c.session_id, c.event_number
        ) = 1
),

stream as (
    select
        funnel,
        site,
        unit_id,
        reached_at as at_time,
        1 as is_attempt,
        attempt_id,
        cast(null as timestamp) as event_time,
        cast(null as varchar) as session_id,
        cast(null as bigint) as event_number,
        cast(null as bigint) as position,
        cast(null as varchar) as event_id,
        cast(null as varchar) as next_action
    from attempts
    union all
    select
        funnel,
        site,
        unit_id,
        event_time as at_time,
        0 as is_attempt,
        cast(null as varchar) as attempt_id,
        event_time,
        session_id,
        event_number,
        position,
        event_id,
        coalesce(next_action, '') as next_action
    from candidates
),

with_later as (
    select
        funnel,
        attempt_id,
        is_attempt,
        last_value(event_time ignore nulls) over latest_first as event_time,
        last_value(session_id ignore nulls) over latest_first as session_id,
        last_value(event_number ignore nulls) over latest_first as event_number,
        nullif(last_value(next_action ignore nulls) over latest_first, '') as next_action
    from stream
    window latest_first as (
        partition by funnel, site, unit_id
        order by
            at_time desc, is_attempt desc, attempt_id desc,
            position desc, event_id desc, session_id desc, event_number desc
        rows between unbounded preceding and current row
    )
),

advanced as (
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
        cast($step_number as bigint) as step_number,
        coalesce(s.event_time, l.event_time) as reached_at,
        coalesce(
            s.used_at_once,
            concat_ws('', '|', l.session_id, ':', cast(l.event_number as varchar), '|')
        ) as used_at_once,
        case when s.attempt_id is not null then s.next_action else l.next_action end as next_action
    from attempts as a
    left join at_the_same_time as s
        on a.funnel = s.funnel and a.attempt_id = s.attempt_id
    left join with_later as l
        on a.funnel = l.funnel and a.attempt_id = l.attempt_id and l.is_attempt = 1
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
    step_number,
    reached_at,
    used_at_once,
    next_action
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
    step_number,
    reached_at,
    used_at_once,
    next_action
from advanced
where reached_at is not null and (window_ends_at is null or reached_at <= window_ends_at)
