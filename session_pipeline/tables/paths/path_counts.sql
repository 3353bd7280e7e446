-- One row is a folded path with a number of actions and a duration, of the sessions with one
-- outcome and device. typical_paths sums these rows over windows. They are bounded: a duration has
-- two digits, and paths after the max_paths most frequent of an outcome are one.
with ranked as (
    select
        session_date,
        site,
        outcome,
        folded_path,
        row_number() over (
            partition by session_date, site, outcome order by count(*) desc, folded_path asc
        ) as path_number
    from session_routes
    group by session_date, site, outcome, folded_path
),

named as (
    select
        r.session_date,
        r.site,
        r.outcome,
        r.is_converted,
        r.device,
        case when p.path_number <= $max_paths then r.folded_path else '(other)' end as path,
        case when p.path_number <= $max_paths then r.action_count end as action_count,
        case when p.path_number <= $max_paths then r.rounded_seconds end as rounded_seconds
    from session_routes as r
    inner join ranked as p
        on
            r.session_date = p.session_date
            and r.site = p.site
            and r.outcome = p.outcome
            and r.folded_path = p.folded_path
)

select
    session_date,
    site,
    outcome,
    device,
    path,
    action_count,
    rounded_seconds,
    count(*) as session_count,
    count(*) filter (where is_converted) as converted_count
from named
group by session_date, site, outcome, device, path, action_count, rounded_seconds
