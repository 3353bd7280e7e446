-- One row is one of the most frequent last actions of a visit to a site without a conversion, in
-- the week. exit_rate is their share of all visits that were at the action. Visits at a page are
-- counted on each day, those at other actions only for the most visited ones; so they are null if
-- they are not known for a day on which a visit ended there.
with exits as (
    select
        session_date,
        site,
        from_action as action,
        cast(sum(session_count - converted_count) as bigint) as exit_count
    from action_transitions
    where session_date between $first_day and $last_day and transition = 'exit'
    group by session_date, site, from_action
    having sum(session_count - converted_count) > 0
),

visits as (
    select
        session_date,
        site,
        action,
        session_count
    from action_friction
    where session_date between $first_day and $last_day and starts_with(action, '/')
    union all
    select
        session_date,
        site,
        action,
        session_count
    from action_visits
    where
        session_date between $first_day and $last_day
        and dimension = 'all'
        and not starts_with(action, '/')
),

totals as (
    select
        site,
        action,
        cast(sum(session_count) as bigint) as session_count
    from visits
    group by site, action
),

counted as (
    select
        e.site,
        e.action,
        cast(sum(e.exit_count) as bigint) as exit_count,
        bool_and(v.session_count is not null) as is_known
    from exits as e
    left join visits as v
        on e.session_date = v.session_date and e.site = v.site and e.action = v.action
    group by e.site, e.action
)

select
    c.site,
    c.action,
    c.exit_count,
    t.session_count,
    c.exit_count / nullif(t.session_count, 0) as exit_rate
from counted as c
left join totals as t
    on c.site = t.site and c.action = t.action and c.is_known
order by c.exit_count desc, c.action asc, c.site asc
limit 10
