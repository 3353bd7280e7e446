-- One row is a path of the sessions with one outcome. The path '(other)' stands for those of fewer
-- sessions than min_session_count, and for those after the max_paths most frequent.
with counted as (
    select
        session_date,
        site,
        outcome,
        path,
        count(*) as session_count,
        count(*) filter (where is_converted) as converted_count
    from session_routes
    group by session_date, site, outcome, path
),

ranked as (
    select
        *,
        row_number() over (
            partition by session_date, site, outcome order by session_count desc, path asc
        ) as path_number
    from counted
),

named as (
    select
        session_date,
        site,
        outcome,
        case
            when session_count < $min_session_count or path_number > $max_paths then '(other)'
            else path
        end as path,
        session_count,
        converted_count
    from ranked
)

select
    session_date,
    site,
    outcome,
    path,
    sum(session_count) as session_count,
    sum(converted_count) as converted_count
from named
group by session_date, site, outcome, path
