-- One row is an event that meets a funnel step or an exclusion: the rows of step_events, with stops
-- filled in as described there. The events of a strict funnel that meet no step have step 0.
with placed as (
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
        f.is_one_event_per_step,
        dense_rank() over (
            partition by e.funnel, e.site, e.unit_id
            order by
                e.event_time,
                case when not f.is_one_event_per_step then e.step_number end,
                case when not f.is_one_event_per_step then e.position end,
                case when not f.is_one_event_per_step then e.event_id end,
                case when not f.is_one_event_per_step then e.session_id end,
                case when not f.is_one_event_per_step then e.event_number end
        ) as place
    from step_events as e
    inner join funnels as f
        on e.funnel = f.funnel
    where e.funnel in (select funnel from stopping_steps)
),

-- One row is an event and a step, such that the event stops an attempt that is at the step. With
-- one event per step, an event that can be the next step or may occur does not stop, and what stops
-- does so after all events of its time.
stops as (
    select
        p.funnel,
        p.site,
        p.unit_id,
        p.event_time,
        p.place,
        s.step_number,
        case when p.is_one_event_per_step then p.place + 1 else p.place end as stop_place
    from placed as p
    inner join stopping_steps as s
        on p.funnel = s.funnel and p.step_number = s.met_step
    group by
        p.funnel, p.site, p.unit_id, p.event_time, p.session_id, p.event_number, p.place,
        p.is_one_event_per_step, s.step_number
    having bool_and(s.is_stop)
),

-- The window below orders by descending place, so each event sees the next stop. At an equal place,
-- it comes before the stops: neither the event itself nor, with one event per step, an event at the
-- same time stops an attempt that took a step with it.
stream as (
    select
        p.funnel,
        p.site,
        p.unit_id,
        p.step_number,
        p.session_id,
        p.event_number,
        p.place,
        0 as is_stop,
        cast(null as bigint) as stop_place,
        cast(null as timestamp) as stop_time
    from placed as p
    where p.step_number > 0
    union all
    select
        funnel,
        site,
        unit_id,
        step_number,
        cast(null as varchar) as session_id,
        cast(null as bigint) as event_number,
        place,
        1 as is_stop,
        stop_place,
        event_time as stop_time
    from stops
),

with_step_stop as (
    select
        funnel,
        step_number,
        session_id,
        event_number,
        is_stop,
        last_value(stop_place ignore nulls) over latest_first as stop_place,
        last_value(stop_time ignore nulls) over latest_first as stop_time
    from stream
    window latest_first as (
        partition by funnel, site, unit_id, step_number
        order by place desc, is_stop asc, session_id asc, event_number asc
        rows between unbounded preceding and current row
    )
),

-- With one event per step, an event that meets no step stops an attempt at any step.
with_other_event as (
    select
        funnel,
        step_number,
        session_id,
        event_number,
        min(case when step_number = 0 then place + 1 end) over later as stop_place,
        min(case when step_number = 0 then event_time end) over later as stop_time
    from placed
    where is_one_event_per_step
    window later as (
        partition by funnel, site, unit_id
        order by place
        range between 1 following and unbounded following
    )
)

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
    {
        'place': p.place,
        'stop_place': least(s.stop_place, o.stop_place),
        'stopped_at': least(s.stop_time, o.stop_time)
    } as stops
from step_events as e
left join placed as p
    on
        e.funnel = p.funnel and e.step_number = p.step_number
        and e.session_id = p.session_id and e.event_number = p.event_number
left join with_step_stop as s
    on
        e.funnel = s.funnel and e.step_number = s.step_number
        and e.session_id = s.session_id and e.event_number = s.event_number and s.is_stop = 0
left join with_other_event as o
    on
        e.funnel = o.funnel and e.step_number = o.step_number
        and e.session_id = o.session_id and e.event_number = o.event_number
