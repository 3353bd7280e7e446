-- One row is an event of a funnel in mode unordered and a step: the first event after it that meets
-- the step. Without one event per step, the first event from it on, because it can take more steps.
with step_takers as (
    select
        e.funnel,
        e.site,
        e.unit_id,
        e.step_number,
        e.event_time,
        e.position,
        e.event_id,
        e.session_id,
        e.event_number,
        f.is_one_event_per_step
    from step_events as e
    inner join funnels as f
        on e.funnel = f.funnel
    where e.step_number > 0 and f.is_unordered
),

searched_from as (
    select distinct
        funnel,
        site,
        unit_id,
        event_time,
        position,
        event_id,
        session_id,
        event_number,
        is_one_event_per_step
    from step_takers
),

-- The window below orders from the last event to the first. At the same event, turn decides whether
-- the event is its own next event.
stream as (
    select
        e.funnel,
        e.site,
        e.unit_id,
        r.step_number,
        e.event_time,
        e.position,
        e.event_id,
        e.session_id,
        e.event_number,
        case when e.is_one_event_per_step then 0 else 2 end as turn
    from searched_from as e
    inner join funnel_step_rules as r
        on e.funnel = r.funnel
    union all
    select
        funnel,
        site,
        unit_id,
        step_number,
        event_time,
        position,
        event_id,
        session_id,
        event_number,
        1 as turn
    from step_takers
),

with_next as (
    select
        funnel,
        step_number,
        session_id,
        event_number,
        turn,
        last_value(
            case
                when turn = 1
                    then {
                        'event_time': event_time,
                        'position': position,
                        'event_id': event_id,
                        'session_id': session_id,
                        'event_number': event_number
                    }
            end ignore nulls
        ) over (
            partition by funnel, site, unit_id, step_number
            order by
                event_time desc, position desc, event_id desc, session_id desc, event_number desc,
                turn asc
            rows between unbounded preceding and current row
        ) as next_event
    from stream
)

select
    w.funnel,
    w.session_id,
    w.event_number,
    w.step_number,
    w.next_event.event_time as next_event_time,
    w.next_event.position as next_position,
    w.next_event.event_id as next_event_id,
    w.next_event.session_id as next_session_id,
    w.next_event.event_number as next_event_number
from with_next as w
where w.turn <> 1 and w.next_event is not null
