-- One row is a path of the sessions with one outcome. The path '(other)' stands for those of fewer
-- sessions than min_session_count, and for those after the max_paths most frequent.
with counted as (
    select
        group_number,
        path,
        count(*) as session_count
    from session_routes
    group by group_number, path
),

ranked as (
    select
        *,
        row_number() over (
            partition by group_number order by session_count desc, path asc
        ) as path_number
    from counted
),

named as (
    select
        group_number,
        case
            when session_count < $min_session_count or path_number > $max_paths then '(other)'
            else path
        end as path,
        session_count
    from ranked
),

summed as (
    select
        group_number,
        path,
        sum(session_count) as session_count
    from named
    group by group_number, path
)

select
    g.session_date,
    g.site,
    g.outcome,
    s.path,
    s.session_count,
    case when g.is_converted then s.session_count else 0 end as converted_count
from summed as s
inner join path_groups as g
    on s.group_number = g.group_number
