-- One row is an action that visits with a conversion saw more often before a moment than the others
-- at the same moment, over the longest window. An association: interested visitors look at more.
with longest as (
    select
        *,
        row_number() over (
            partition by site, at_action, seen_action order by window_days desc
        ) as _window_number
    from next_best_actions
    where session_date = $last_day and is_significant and difference > 0
)

select
    site,
    window_days,
    rank,
    at_action,
    seen_action,
    seen_count,
    unseen_count,
    rate_seen,
    rate_unseen,
    difference_low,
    difference_high,
    sentence,
    example_session_ids
from longest
where _window_number = 1
order by score desc, site asc, rank asc, window_days asc
limit $shown_next_best_actions
