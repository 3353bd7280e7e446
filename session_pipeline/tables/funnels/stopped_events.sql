-- One row is an event that meets a funnel step or an exclusion: the rows of step_events, with stops
-- filled in as described there. The events of a strict funnel that meet no step have step 0. With
-- one event per step they stop after all events of their time, otherwise in the order of place.
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
        row_number() over (
            partition by e.funnel, e.site, e.unit_id
            order by
                e.event_time, e.step_number, e.position, e.event_id, e.session_id, e.event_number
        ) as place,
        dense_rank() over (
            partition by e.funnel, e.site, e.unit_id
            order by e.event_time, e.position, e.event_id, e.session_id, e.event_number
        ) as event_place,
        dense_rank() over (
            partition by e.funnel, e.site, e.unit_id order by e.event_time
        ) as moment
    from step_events as e
    where e.funnel in (select funnel from stopping_steps)
),

-- One row is an event and a step, such that the event stops an attempt that is at the step. With
-- one event per step, an event that can be the next step does not stop.
stops as (
    select
        p.funnel,
        p.site,
        p.unit_id,
        p.event_time,
        p.event_place,
        s.step_number,
        s.is_one_event_per_step,
        min(p.place) as place
    from placed as p
    inner join stopping_steps as s
        on p.funnel = s.funnel and p.step_number = s.met_step
    group by
        p.funnel, p.site, p.unit_id, p.event_time, p.event_place, s.step_number,
        s.is_one_event_per_step,
        case when s.is_one_event_per_step then p.event_place else p.place end
    having bool_and(s.is_stop)
),

-- The window below orders by descending place, so each event sees the next stop. With one event per
-- step, events at the same time do not stop, so the event comes before the stops of its time.
stream as (
    select
        p.funnel,
        p.site,
        p.unit_id,
        p.step_number,
        p.session_id,
        p.event_number,
        case when f.is_one_event_per_step then p.event_time end as at_time,
        p.place,
        0 as is_stop,
        cast(null as bigint) as stop_place,
        cast(null as bigint) as stop_event_place,
        cast(null as timestamp) as stop_time
    from placed as p
    inner join funnels as f
        on p.funnel = f.funnel
    where p.step_number > 0
    union all
    select
        funnel,
        site,
        unit_id,
        step_number,
        cast(null as varchar) as session_id,
        cast(null as bigint) as event_number,
        case when is_one_event_per_step then event_time end as at_time,
        place,
        1 as is_stop,
        place as stop_place,
        event_place as stop_event_place,
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
        last_value(stop_event_place ignore nulls) over latest_first as stop_event_place,
        last_value(stop_time ignore nulls) over latest_first as stop_time
    from stream
    window latest_first as (
        partition by funnel, site, unit_id, step_number
        order by
            at_time desc,
            case when at_time is not null then is_stop else 0 end,
            place desc, is_stop asc, session_id asc, event_number asc
        rows between unbounded preceding and current row
    )
),

moments as (
    select
        *,
        max(event_place) over (partition by funnel, site, unit_id, moment) as last_event_place
    from placed
    where
        funnel in (
            select f.funnel from funnels as f
            where f.is_one_event_per_step
        )
),

with_other_event as (
    select
        funnel,
        step_number,
        session_id,
        event_number,
        min(case when step_number = 0 then last_event_place + 1 end) over later
            as other_event_place,
        min(case when step_number = 0 then event_time end) over later as other_event_time
    from moments
    window later as (
        partition by funnel, site, unit_id
        order by moment
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
        'event_place': p.event_place,
        'stop_place': s.stop_place,
        'stop_event_place': s.stop_event_place,
        'other_event_place': o.other_event_place,
        'stopped_at': case
            when s.stop_time is null or o.other_event_time < s.stop_time then o.other_event_time
            else s.stop_time
        end
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
