-- One row is an event of a session that starts on the day, and a goal that it meets.
with met as (
    select
        session_date,
        session_id,
        event_number,
        event_time,
        unnest(goals_met) as goal_met
    from event_matches
)

select
    m.session_date,
    m.session_id,
    m.event_number,
    m.goal_met.goal,
    m.event_time,
    m.goal_met.value
from met as m
