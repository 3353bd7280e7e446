-- One row is a step that was tested on the last day over all visits: a rate at or below
-- detectable_rate would have been found.
select
    site,
    window_days,
    action,
    next_action,
    session_count,
    progress_rate,
    usual_rate,
    detectable_rate
from progress_changes
where
    session_date = $last_day
    and dimension = 'all'
    and detectable_rate is not null
    and next_action != '(goal)'
order by session_count desc, window_days desc, site asc, action asc, next_action asc
limit 5
