-- One row is one of the most common paths of the visits with one way to end, in the week and in the
-- last 28 days. Actions that are repeated immediately count once, and rare actions are replaced by
-- their kind. Visits whose paths are all rarer than the setting min_session_count have one row
-- without a path: their number.
with shown as (
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
),

visits as (
    select
        session_date,
        site,
        outcome,
        session_count
    from daily_outcomes
    union all
    select
        session_date,
        site,
        '(converted)' as outcome,
        converted_count as session_count
    from daily_summary
    union all
    select
        session_date,
        site,
        '(not converted)' as outcome,
        session_count - converted_count - bounce_count as session_count
    from daily_summary
),

visit_groups as (
    select
        v.site,
        w.window_days,
        v.outcome,
        cast(sum(v.session_count) as bigint) as session_count
    from visits as v
    inner join (values (7), (28)) as w (window_days)
        on v.session_date between $last_day - (w.window_days - 1) and $last_day
    group by v.site, w.window_days, v.outcome
)

select
    coalesce(s.site, g.site) as site,
    coalesce(s.window_days, g.window_days) as window_days,
    coalesce(s.outcome, g.outcome) as outcome,
    s.rank,
    s.path,
    s.session_count,
    coalesce(s.group_session_count, g.session_count) as group_session_count,
    s.share,
    s.median_action_count,
    s.median_seconds
from shown as s
full join visit_groups as g
    on s.site = g.site and s.window_days = g.window_days and s.outcome = g.outcome
where s.rank is not null or g.session_count > 0
order by site, window_days, outcome, s.rank
