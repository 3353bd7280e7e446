-- One row is an outcome, or the number of visits, that left its usual range in the last 14 days,
-- with the figures of the last day on which it did.
with alerts as (
    select
        *,
        row_number() over (
            partition by site, dimension, dimension_value, outcome
            order by session_date desc, rank asc
        ) as _recency
    from outcome_changes
    where session_date between $alerts_first_day and $last_day and is_alert
)

select
    session_date as last_alert_day,
    since,
    site,
    window_days,
    dimension,
    dimension_value,
    outcome,
    session_count,
    outcome_count,
    rate,
    expected_count,
    usual_rate,
    score,
    sentence
from alerts
where _recency = 1
order by
    abs(score) desc, site asc, dimension asc, dimension_value asc, outcome asc
limit 20
