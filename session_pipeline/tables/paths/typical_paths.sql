-- One row is one of the most frequent paths of a window of days, by outcome and segment, with the
-- medians of its sessions. Windows are sums of path_counts.
with window_dates as (
    select
        d.event_date as session_date,
        a.window_days,
        d.event_date - cast(a.age_days as integer) as counted_date
    from days as d
    cross join window_ages as a
),

daily as (
    select
        counted_date,
        site,
        outcome,
        '(all)' as segment,
        path_number,
        action_count,
        rounded_seconds,
        session_count
    from counted_paths
    union all
    select
        counted_date,
        site,
        outcome,
        'device=' || device as segment,
        path_number,
        action_count,
        rounded_seconds,
        session_count
    from counted_paths
),

-- One row is a path that is folded into a shown path, on a day of the window. All rows are
-- distinct: the group only keeps DuckDB from joining folded_paths with all days that have the path.
dated_paths as (
    select
        t.session_date,
        t.window_days,
        t.site,
        t.outcome,
        t.segment,
        t.path_rank,
        f.path_number,
        w.counted_date
    from shown_paths as t
    inner join folded_paths as f
        on
            t.session_date = f.session_date
            and t.site = f.site
            and t.outcome = f.outcome
            and t.folded_path = f.folded_path
    inner join window_dates as w
        on t.session_date = w.session_date and t.window_days = w.window_days
    group by
        t.session_date,
        t.window_days,
        t.site,
        t.outcome,
        t.segment,
        t.path_rank,
        f.path_number,
        w.counted_date
),

-- One row is a shown path, a number of actions and a duration.
measured as (
    select
        p.session_date,
        p.window_days,
        p.site,
        p.outcome,
        p.segment,
        p.path_rank,
        d.action_count,
        d.rounded_seconds,
        sum(d.session_count) as session_count
    from dated_paths as p
    inner join daily as d
        on
            p.counted_date = d.counted_date
            and p.site = d.site
            and p.outcome = d.outcome
            and p.path_number = d.path_number
            and p.segment = d.segment
    group by
        p.session_date,
        p.window_days,
        p.site,
        p.outcome,
        p.segment,
        p.path_rank,
        d.action_count,
        d.rounded_seconds
),

-- Both measures as rows, so that one window counts through the values of each.
figures as (
    select
        session_date,
        window_days,
        site,
        outcome,
        segment,
        path_rank,
        'actions' as measure,
        action_count as figure,
        sum(session_count) as session_count
    from measured
    group by session_date, window_days, site, outcome, segment, path_rank, action_count
    union all
    select
        session_date,
        window_days,
        site,
        outcome,
        segment,
        path_rank,
        'seconds' as measure,
        rounded_seconds as figure,
        sum(session_count) as session_count
    from measured
    group by session_date, window_days, site, outcome, segment, path_rank, rounded_seconds
),

cumulated as (
    select
        *,
        sum(session_count) over (
            partition by session_date, window_days, site, outcome, segment, path_rank, measure
            order by figure
        ) as up_to_here,
        sum(session_count) over (
            partition by session_date, window_days, site, outcome, segment, path_rank, measure
        ) as total
    from figures
),

-- The median is the mean of the two values in the middle, which are equal for an odd number.
medians as (
    select
        session_date,
        window_days,
        site,
        outcome,
        segment,
        path_rank,
        cast(
            min(figure) filter (where measure = 'actions' and 2 * up_to_here >= total)
            + min(figure) filter (where measure = 'actions' and 2 * up_to_here >= total + 1)
            as double
        ) / 2 as median_action_count,
        cast(
            min(figure) filter (where measure = 'seconds' and 2 * up_to_here >= total)
            + min(figure) filter (where measure = 'seconds' and 2 * up_to_here >= total + 1)
            as double
        ) / 2 as median_seconds
    from cumulated
    group by session_date, window_days, site, outcome, segment, path_rank
)

select
    t.session_date,
    t.site,
    t.window_days,
    t.outcome,
    t.segment,
    t.path_rank as rank,
    t.folded_path as path,
    t.session_count,
    t.group_session_count,
    cast(t.session_count as double)
    / nullif(cast(t.group_session_count as double), 0) as share,
    m.median_action_count,
    m.median_seconds
from shown_paths as t
inner join medians as m
    on
        t.session_date = m.session_date
        and t.window_days = m.window_days
        and t.site = m.site
        and t.outcome = m.outcome
        and t.segment = m.segment
        and t.path_rank = m.path_rank
