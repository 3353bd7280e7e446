-- One row is a window in which steps were tested on the last day, with the step whose smallest
-- detectable drop is the smallest: a rate at or below detectable_rate would have had the score and
-- the size of an alert. Rows with such a rate are left out: they show a drop already, as of a page
-- that was renamed. Of equal drops, those of all visits come first, and then of most visits.
-- Conversions after an action come after all steps, without actions that are the conversion itself.
with steps as (
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
        detectable_rate,
        round(detectable_rate / nullif(usual_rate, 0), 3) as detectable_ratio
    from progress_changes
    where
        session_date = $last_day
        and detectable_rate is not null
        and progress_rate > detectable_rate
        and not (next_action = '(goal)' and usual_rate = 1)
),

numbered as (
    select
        *,
        row_number() over (
            partition by window_days
            order by
                next_action = '(goal)', detectable_ratio desc nulls last, dimension != 'all',
                session_count desc, site asc, dimension asc, dimension_value asc, action asc,
                next_action asc
        ) as _step_number
    from steps
)

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
from numbered
where _step_number = 1
order by
    next_action = '(goal)', detectable_ratio desc nulls last, dimension != 'all',
    session_count desc, window_days desc
