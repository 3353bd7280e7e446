-- One row is one of the most frequent paths of a window, by outcome and segment.
with segments as (
    select
        counted_date,
        site,
        outcome,
        path_number,
        '(all)' as segment,
        session_count
    from counted_paths
    union all
    select
        counted_date,
        site,
        outcome,
        path_number,
        'device=' || device as segment,
        session_count
    from counted_paths
),

daily_paths as (
    select
        counted_date,
        site,
        outcome,
        segment,
        path_number,
        sum(session_count) as session_count
    from segments
    group by counted_date, site, outcome, segment, path_number
),

window_dates as (
    select
        d.event_date as session_date,
        a.window_days,
        d.event_date - cast(a.age_days as integer) as counted_date
    from days as d
    cross join window_ages as a
),

counted as (
    select
        w.session_date,
        w.window_days,
        d.site,
        d.outcome,
        d.segment,
        f.folded_path,
        sum(d.session_count) as session_count
    from daily_paths as d
    inner join window_dates as w
        on d.counted_date = w.counted_date
    inner join folded_paths as f
        on
            w.session_date = f.session_date
            and d.site = f.site
            and d.outcome = f.outcome
            and d.path_number = f.path_number
    group by w.session_date, w.window_days, d.site, d.outcome, d.segment, f.folded_path
),

ranked as (
    select
        *,
        sum(session_count) over (
            partition by session_date, window_days, site, outcome, segment
        ) as group_session_count,
        row_number() over (
            partition by session_date, window_days, site, outcome, segment
            order by
                case when folded_path = '(other)' then 1 else 0 end asc,
                session_count desc,
                folded_path asc
        ) as path_rank
    from counted
)

select
    session_date,
    window_days,
    site,
    outcome,
    segment,
    folded_path,
    path_rank,
    session_count,
    group_session_count
from ranked
where
    path_rank <= $typical_path_count
    and folded_path <> '(other)'
    and session_count >= $min_session_count
