-- One row is a step that fewer visits take than usual: an alert of the last 14 days that no later
-- alert explains, with the figures of the last day on which it was one. A drop that is over has the
-- day from which on the rate is usual again.
with changed as (
    select
        *,
        row_number() over (
            partition by site, dimension, dimension_value, action, next_action
            order by session_date desc, is_alert desc, over_since asc nulls last, rank asc
        ) as _recency
    from progress_changes
    where
        session_date between $alerts_first_day and $last_day
        and (is_alert or over_since is not null or explained_by is not null)
)

select
    session_date as last_alert_day,
    since,
    over_since,
    coalesce(over_since - 1, session_date) as last_seen_day,
    site,
    window_days,
    dimension,
    dimension_value,
    action,
    next_action,
    session_count,
    progress_rate,
    usual_rate,
    before_rate,
    others_rate,
    associated_lost,
    associated_lost_value,
    sentence,
    example_session_ids
from changed
where _recency = 1 and (is_alert or over_since is not null)
order by
    over_since is not null, associated_lost_value desc nulls last, associated_lost desc, site asc,
    dimension asc, dimension_value asc, action asc, next_action asc
limit $shown_changes
