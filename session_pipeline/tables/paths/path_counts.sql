-- One row is a folded path with a number of actions and a duration, of the sessions with one
-- outcome and device. typical_paths sums these rows over windows. They are bounded: a duration has
-- two digits, and paths after the max_paths most frequent of an outcome are one.
with frequent as (
    select
        group_number,
        folded_path
    from session_routes
    group by group_number, folded_path
    qualify
        row_number() over (
            partition by group_number order by count(*) desc, folded_path asc
        ) <= $max_paths
),

counted as (
    select
        r.group_number,
        r.device,
        coalesce(f.folded_path, '(other)') as path,
        case when f.folded_path is not null then r.action_count end as action_count,
        case when f.folded_path is not null then r.rounded_seconds end as rounded_seconds,
        count(*) as session_count
    from session_routes as r
    left join frequent as f
        on r.group_number = f.group_number and r.folded_path = f.folded_path
    group by
        r.group_number,
        r.device,
        coalesce(f.folded_path, '(other)'),
        case when f.folded_path is not null then r.action_count end,
        case when f.folded_path is not null then r.rounded_seconds end
)

select
    g.session_date,
    g.site,
    g.outcome,
    c.device,
    c.path,
    c.action_count,
    c.rounded_seconds,
    c.session_count,
    case when g.is_converted then c.session_count else 0 end as converted_count
from counted as c
inner join path_groups as g
    on c.group_number = g.group_number
