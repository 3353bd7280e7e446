-- One row is a step that more visits take than usual, in the last 7 days: of its windows and
-- segments, and of the steps of a segment, the one with the highest score.
with best as (
    select
        *,
        row_number() over (
            partition by site, action, next_action
            order by
                score desc, session_date desc, window_days asc, dimension asc, dimension_value asc
        ) as _place_of_step,
        row_number() over (
            partition by site, dimension, dimension_value
            order by score desc, session_date desc, window_days asc, action asc, next_action asc
        ) as _place_in_segment
    from progress_changes
    where session_date between $first_day and $last_day and score >= $gain_score
)

select
    session_date,
    since,
    site,
    window_days,
    dimension,
    dimension_value,
    action,
    next_action,
    session_count,
    progress_rate,
    usual_rate,
    score,
    sentence
from best
where _place_of_step = 1 and _place_in_segment = 1
order by score desc, site asc, action asc, next_action asc
limit $shown_gains
