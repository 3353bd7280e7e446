-- One row is a step that was tested on the last day: a rate at or below detectable_rate would have
-- been found. Steps of all visits come before those of a segment.
select
    site,
    window_days,
    dimension,
    dimension_value,
    action,
    next_action,
    session_count,
    progress_rate,
    usual_rate,
    detectable_rate
from progress_changes
where
    session_date = $last_day
    and detectable_rate is not null
    and next_action != '(goal)'
order by
    dimension != 'all', session_count desc, window_days desc, site asc, dimension asc,
    dimension_value asc, action asc, next_action asc
limit 5
