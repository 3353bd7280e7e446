-- One row is a step that an attempt of funnel_entries reached. The time is since the step that was
-- reached before it: optional steps can be reached in another order than that of the settings.
-- At the instant of the entry, a step can be an event before it in the order: action_count is 0.
with steps as (
    select
        *,
        lag(reached_at) over steps_in_order as reached_before_at,
        first_value(action_number) over steps_in_order as entry_action_number
    from attempt_steps
    window steps_in_order as (
        partition by entry_date, funnel, session_id, event_number, entry_step
        order by reached_at, step_number
    )
)

select
    entry_date,
    funnel,
    site,
    session_id,
    event_number as entry_event_number,
    entry_step,
    step_number,
    reached_at,
    cast(date_diff('microsecond', reached_before_at, reached_at) as double) / 1000000
        as seconds_from_step_before,
    case
        when step_session_id = session_id then greatest(action_number - entry_action_number, 0)
    end as action_count,
    value
from steps
