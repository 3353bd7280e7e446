-- One row is one of the most frequent last actions of a visit to a site without a conversion, in
-- the week. exit_rate is their share of all visits that were at the action.
with exits as (
    select
        site,
        from_action as action,
        cast(sum(session_count - converted_count) as bigint) as exit_count
    from action_transitions
    where session_date between $first_day and $last_day and transition = 'exit'
    group by site, from_action
),

visits as (
    select
        site,
        action,
        cast(sum(session_count) as bigint) as session_count
    from action_visits
    where session_date between $first_day and $last_day and dimension = 'all'
    group by site, action
)

select
    e.site,
    e.action,
    e.exit_count,
    v.session_count,
    e.exit_count / nullif(v.session_count, 0) as exit_rate
from exits as e
left join visits as v
    on e.site = v.site and e.action = v.action
where e.exit_count > 0
order by e.exit_count desc, e.action asc, e.site asc
limit 10
