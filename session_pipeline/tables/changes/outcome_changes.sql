-- One row is an outcome or number of sessions, over a window, that is lower or higher than usual.
-- Python finds the rows (found_outcomes.py), because they need logarithms and medians by weekday.
select
    session_date,
    site,
    rank,
    window_days,
    dimension,
    dimension_value,
    outcome,
    session_count,
    outcome_count,
    rate,
    expected_count,
    usual_rate,
    spread,
    score,
    tested_count,
    is_alert,
    since,
    over_since,
    sentence
from found_outcomes
