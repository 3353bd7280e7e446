-- One row is an alert of outcome_changes: the latest row of its outcome, the strongest first. An
-- outcome whose change is over on a later day has none.
with latest as (
    select
        *,
        row_number() over (
            partition by site, dimension, dimension_value, outcome
            order by session_date desc, rank asc
        ) as place
    from outcome_changes
    where is_alert or over_since is not null
)

select
    site,
    dimension,
    dimension_value,
    outcome,
    score,
    sentence
from latest
where place = 1 and is_alert
order by
    abs(score) desc,
    site asc,
    dimension asc,
    dimension_value asc,
    outcome asc
