-- One row is a day and a window: how many visits had the outcome, against what is usual.
select
    session_date,
    window_days,
    session_count,
    outcome_count,
    expected_count,
    rate,
    usual_rate,
    score,
    is_alert,
    since,
    over_since
from outcome_changes
where
    session_date between $alerts_first_day and $last_day
    and site = $site
    and dimension = $dimension
    and dimension_value = $dimension_value
    and outcome = $outcome
order by session_date, window_days
