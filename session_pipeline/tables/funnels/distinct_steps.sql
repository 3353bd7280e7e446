-- One row is an attempt and a step that it reached. Funnels in mode unordered had a row for each
-- set of steps that the attempt can have reached; all of them have the same event.
with numbered as (
    select
        r.*,
        f.is_unordered,
        row_number() over (
            partition by r.funnel, r.attempt_id, r.step_number order by r.used_at_once, r.met_step
        ) as set_number
    from reached_steps as r
    inner join funnels as f
        on r.funnel = f.funnel
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
from numbered
where not is_unordered or set_number = 1
