-- One row is a day and a window: how many of the visits at the action went on, against the 56 days
-- before the window. before_rate is without those of them that are days of the change.
select
    session_date,
    window_days,
    session_count,
    progressed_count,
    progress_rate,
    usual_rate,
    before_rate,
    others_rate,
    associated_lost,
    associated_lost_value,
    is_alert,
    since,
    over_since
from progress_changes
where
    session_date between $alerts_first_day and $last_day
    and site = $site
    and dimension = $dimension
    and dimension_value = $dimension_value
    and action = $action
    and next_action = $next_action
order by session_date, window_days
