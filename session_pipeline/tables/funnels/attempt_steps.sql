-- One row is a step that an attempt of funnel_attempts reached, with the event that took it.
select
    a.entry_date,
    a.funnel,
    e.site,
    a.session_id,
    a.event_number,
    a.entry_step,
    a.attempt_id,
    a.entered_at,
    a.step_reached,
    a.last_step_at,
    a.exclusion_number,
    a.open_until,
    a.attempt_number,
    a.attempt_count,
    r.step_number,
    r.reached_at,
    r.step_session_id,
    e.visitor_id,
    e.event_id,
    e.value,
    e.action_number,
    e.next_action,
    e.next_action_2,
    e.next_action_3,
    e.breakdown,
    e.is_bot,
    e.is_complete
from funnel_attempts as a
inner join reached_steps as r
    on
        a.funnel = r.funnel and a.attempt_id = r.attempt_id and r.is_taken
        and a.step_reached >= r.step_number
inner join funnel_events as e
    on
        r.funnel = e.funnel and r.met_step = e.step_number
        and r.step_session_id = e.session_id and r.step_event_number = e.event_number
