-- One row is an attempt: all rows of reached_steps, and for funnels in mode unordered each event
-- that meets a step. Such a row has step 0, because unordered_steps.sql finds all steps of the
-- attempt.
with entries as (
    select distinct
        e.funnel,
        e.site,
        e.unit_id,
        e.session_date,
        e.session_id,
        e.event_number,
        e.event_time,
        e.position,
        e.event_id
    from step_events as e
    where
        e.step_number > 0
        and e.funnel in (
            select f.funnel from funnels as f
            where f.is_unordered
        )
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
    d.event_date as entry_date,
    e.funnel,
    e.site,
    e.unit_id,
    concat_ws('|', e.session_id, cast(e.event_number as varchar)) as attempt_id,
    e.event_time as entered_at,
    e.event_time + cast(f.window_seconds as integer) * interval 1 second as window_ends_at,
    e.session_id,
    e.event_number,
    e.position,
    e.event_id,
    cast(1 as bigint) as entry_step,
    cast(0 as bigint) as step_number,
    cast(0 as bigint) as met_step,
    false as is_taken,
    e.event_time as reached_at,
    e.session_id as step_session_id,
    e.event_number as step_event_number,
    '' as used_at_once,
    null as stops
from entries as e
inner join funnels as f
    on e.funnel = f.funnel
left join day_parts as p
    on
        cast(e.event_time as date) = p.utc_date
        and e.event_time >= p.day_start
        and e.event_time < p.day_end
inner join days as d
    on case when f.is_within_session then e.session_date else p.event_date end = d.event_date
