-- One row is a step that fewer visits take than usual: an alert of the last 14 days, with the
-- figures of the last day on which it was one.
with alerts as (
    select
        *,
        row_number() over (
            partition by site, dimension, dimension_value, action, next_action
            order by session_date desc, rank asc
        ) as _recency
    from progress_changes
    where session_date between $alerts_first_day and $last_day and is_alert
)

select
    session_date as last_alert_day,
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
    others_rate,
    associated_lost,
    associated_lost_value,
    sentence,
    example_session_ids
from alerts
where _recency = 1
order by
    associated_lost_value desc nulls last, associated_lost desc, site asc, dimension asc,
    dimension_value asc, action asc, next_action asc
limit 20
