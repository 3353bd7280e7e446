-- One row is an event of a session that starts on one of the days, and that meets a rule. Each list
-- holds the rules of a kind that it meets.
-- The input is a chain of relations over events, so one scan evaluates the rules of all kinds.
select
    session_date,
    session_id,
    event_number,
    event_id,
    event_time,
    coalesce(sequence, line_number) as position,
    page_path,
    value,
    currency,
    outcomes_met,
    goals_met,
    steps_met
from events_with_rules_met
where
    session_date in (select event_date from days)
    and (meets_outcome or meets_goal or meets_step)
