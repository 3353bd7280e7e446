-- One row is an alert of progress_changes: the latest row of its step, the largest loss first. A
-- step whose drop is over, or explained by another alert, on a later day has none.
with latest as (
    select
        *,
        row_number() over (
            partition by site, dimension, dimension_value, action, next_action
            order by session_date desc, is_alert desc, rank asc
        ) as place
    from progress_changes
    where is_alert or over_since is not null or explained_by is not null
)

select
    site,
    (select count(distinct site) from action_visits) > 1 as has_several_sites,
    dimension,
    dimension_value,
    action,
    next_action,
    session_date as last_alert_day,
    window_days,
    associated_lost,
    associated_lost_value,
    sentence
from latest
where place = 1 and is_alert
order by
    associated_lost_value desc nulls last,
    associated_lost desc,
    site asc,
    dimension asc,
    dimension_value asc,
    action asc,
    next_action asc
