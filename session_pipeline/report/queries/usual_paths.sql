-- One row is one of the most common paths of the visits with one way to end, in the week and in the
-- last 28 days. Actions that are repeated immediately count once, and rare actions are replaced by
-- their kind.
select
    site,
    window_days,
    outcome,
    rank,
    path,
    session_count,
    group_session_count,
    share,
    median_action_count,
    median_seconds
from typical_paths
where
    session_date = $last_day
    and window_days in (7, 28)
    and segment = '(all)'
    and rank <= $shown_paths
order by site, window_days, outcome, rank
