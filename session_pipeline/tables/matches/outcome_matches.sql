-- One row is an event of a session that starts on the day, and an outcome rule that it meets.
with met as (
    select
        session_date,
        session_id,
        event_number,
        event_id,
        event_time,
        page_path,
        currency,
        unnest(outcomes_met) as outcome_met
    from event_matches
)

select
    m.session_date,
    m.session_id,
    m.event_number,
    m.outcome_met.rule,
    m.event_id,
    m.event_time,
    m.page_path,
    m.outcome_met.value,
    m.currency
from met as m
