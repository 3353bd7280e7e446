-- One row is a step, over a window, that sessions take less or more often than before. Python finds
-- the rows (found_progress.py), because they need logarithms and an order among all steps.
with rated as (
    select
        *,
        cast(session_count as double) as _n
    from found_progress
)

select
    session_date,
    site,
    rank,
    window_days,
    dimension,
    dimension_value,
    action,
    next_action,
    session_count,
    progressed_count,
    progress_rate,
    wilson_low(progress_rate, _n, $z) as low,
    wilson_high(progress_rate, _n, $z) as high,
    usual_session_count,
    usual_progressed_count,
    usual_rate,
    before_session_count,
    before_progressed_count,
    before_rate,
    others_session_count,
    others_rate,
    others_usual_rate,
    others_before_rate,
    step_value,
    associated_lost,
    associated_lost_value,
    spread,
    score,
    q_value,
    tested_count,
    is_alert,
    since,
    over_since,
    explained_by,
    detectable_rate,
    sentence,
    example_session_ids
from rated
