-- One row is an attempt and a step that it can have reached first: all rows of reached_steps, and
-- for funnels in mode unordered each event with a step that it meets. used_at_once has a digit for
-- each step of the funnel: 1 if the step was reached. An event that meets a narrower step takes
-- that one first: each later event that needs it can take the wider step instead.
with wider_steps as (
    select distinct
        w.funnel,
        w.session_id,
        w.event_number,
        w.step_number
    from step_events as w
    inner join narrower_steps as n
        on w.funnel = n.funnel and w.step_number = n.step_number
    inner join step_events as e
        on
            w.funnel = e.funnel and w.session_id = e.session_id
            and w.event_number = e.event_number and n.narrower_step = e.step_number
),

entries as (
    select
        e.funnel,
        e.site,
        e.unit_id,
        e.step_number,
        e.session_date,
        e.session_id,
        e.event_number,
        e.event_time,
        e.position,
        e.event_id,
        f.window_seconds,
        f.step_count,
        f.is_within_session,
        f.is_one_event_per_step,
        row_number() over (
            partition by e.funnel, e.session_id, e.event_number order by e.step_number
        ) as met_number
    from step_events as e
    inner join funnels as f
        on e.funnel = f.funnel
    left join wider_steps as w
        on
            e.funnel = w.funnel and e.session_id = w.session_id
            and e.event_number = w.event_number and e.step_number = w.step_number
    where f.is_unordered and e.step_number > 0 and w.funnel is null
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
    e.event_time + cast(e.window_seconds as integer) * interval 1 second as window_ends_at,
    e.session_id,
    e.event_number,
    e.position,
    e.event_id,
    cast(1 as bigint) as entry_step,
    cast(1 as bigint) as step_number,
    e.step_number as met_step,
    true as is_taken,
    e.event_time as reached_at,
    e.session_id as step_session_id,
    e.event_number as step_event_number,
    rpad(
        lpad('1', cast(e.step_number as integer), '0'), cast(e.step_count as integer), '0'
    ) as used_at_once,
    null as stops
from entries as e
left join day_parts as p
    on
        cast(e.event_time as date) = p.utc_date
        and e.event_time >= p.day_start
        and e.event_time < p.day_end
inner join days as d
    on case when e.is_within_session then e.session_date else p.event_date end = d.event_date
where e.is_one_event_per_step or e.met_number = 1
