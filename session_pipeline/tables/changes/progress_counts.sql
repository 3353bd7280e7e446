-- One row is an action (next_action '(goal)') or a step from an action to a later one, by dimension
-- value, on one of the days or of the days before that are compared with it; or the conversions of
-- such a day (action '(goal)').
-- A step that fewer sessions converted after than a test needs is left out, unless it or its
-- reverse has enough: the reverse is subtracted. Steps of all sessions are kept for comparisons. An
-- action that is called like the goal is left out.
with totals as (
    select
        site,
        dimension,
        dimension_value,
        action,
        next_action,
        sum(converted_count) as converted_count
    from action_progress
    group by site, dimension, dimension_value, action, next_action
),

testable as (
    select
        site,
        dimension,
        dimension_value,
        action,
        next_action
    from totals
    where converted_count >= $least_usual_conversions or dimension = 'all'
),

read_steps as (
    select
        site,
        dimension,
        dimension_value,
        action,
        next_action
    from testable
    union
    select
        site,
        dimension,
        dimension_value,
        next_action as action,
        action as next_action
    from testable
),

conversions as (
    select
        o.session_date,
        o.site,
        cast(sum(o.session_count) as bigint) as session_count
    from daily_outcomes as o
    inner join outcome_rules as r
        on o.outcome = r.outcome
    where r.is_conversion
    group by o.session_date, o.site
)

select
    v.session_date,
    v.session_date in (select event_date from days) as is_asked_for,
    v.site,
    v.dimension,
    v.dimension_value,
    v.action,
    '(goal)' as next_action,
    v.session_count,
    v.converted_count,
    cast(0 as bigint) as converted_after_count,
    v.converted_value,
    v.is_followed,
    v.stopped_session_ids
from action_visits as v
where v.action <> '(goal)'
union all
select
    p.session_date,
    false as is_asked_for,
    p.site,
    p.dimension,
    p.dimension_value,
    p.action,
    p.next_action,
    p.session_count,
    p.converted_count,
    p.converted_after_count,
    null as converted_value,
    true as is_followed,
    null as stopped_session_ids
from action_progress as p
inner join read_steps as r
    on
        p.site = r.site
        and p.dimension = r.dimension
        and p.dimension_value = r.dimension_value
        and p.action = r.action
        and p.next_action = r.next_action
where p.action <> '(goal)' and p.next_action <> '(goal)'
union all
select
    session_date,
    false as is_asked_for,
    site,
    'all' as dimension,
    'all' as dimension_value,
    '(goal)' as action,
    '(goal)' as next_action,
    session_count,
    session_count as converted_count,
    cast(0 as bigint) as converted_after_count,
    null as converted_value,
    true as is_followed,
    null as stopped_session_ids
from conversions
