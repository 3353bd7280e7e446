-- One row is an event of a session that starts on the day, and a funnel step or exclusion that it
-- meets.
with met as (
    select
        session_date,
        session_id,
        event_number,
        event_id,
        event_time,
        position,
        value,
        unnest(steps_met) as step_met
    from event_matches
)

select
    m.session_date,
    m.session_id,
    m.event_number,
    m.step_met.funnel,
    m.step_met.step_number,
    m.event_id,
    m.event_time,
    m.position,
    m.value
from met as m
