-- One row is an alert of progress_changes: the latest row of its step, the largest loss first.
with latest as (
    select
        *,
        row_number() over (
            partition by site, dimension, dimension_value, action, next_action
            order by session_date desc, rank asc
        ) as place
    from progress_changes
    where is_alert
)

select
    site,
    (select count(distinct site) from action_visits) > 1 as has_several_sites,
    dimension,
    dimension_value,
    action,
    next_action,
    sentence
from latest
where place = 1
order by
    associated_lost_value desc nulls last,
    associated_lost desc,
    site asc,
    dimension asc,
    dimension_value asc,
    action asc,
    next_action asc
