-- One row is a row of path_counts, by its outcome and by its group of outcomes. Paths are numbered,
-- because the models that follow join each path many times.
with counted as (
    select
        session_date as counted_date,
        site,
        outcome,
        device,
        path,
        action_count,
        rounded_seconds,
        session_count
    from path_counts
    union all
    select
        session_date as counted_date,
        site,
        case when converted_count > 0 then '(converted)' else '(not converted)' end as outcome,
        device,
        path,
        action_count,
        rounded_seconds,
        session_count
    from path_counts
    where outcome <> 'bounce'
)

select
    *,
    dense_rank() over (partition by site order by path) as path_number
from counted
