-- One row is an action at a position of sessions with one outcome. Position 0 is the start. The end
-- follows the last action; sessions with more actions than max_steps have '(more)' there.
with steps as (
    select
        session_date,
        site,
        outcome,
        is_converted,
        cast(0 as bigint) as step_number,
        '(start)' as action
    from path_sessions
    union all
    select
        session_date,
        site,
        outcome,
        is_converted,
        cast(1 as bigint) as step_number,
        '(end)' as action
    from path_sessions
    where landing_action is null
    union all
    select
        session_date,
        site,
        outcome,
        is_converted,
        action_number as step_number,
        action
    from path_actions
    where action_number <= $max_steps
    union all
    select
        session_date,
        site,
        outcome,
        is_converted,
        least(action_number, $max_steps) + 1 as step_number,
        case when action_number <= $max_steps then '(end)' else '(more)' end as action
    from path_actions
    where next_action is null
),

counted as (
    select
        session_date,
        site,
        outcome,
        step_number,
        action,
        count(*) as session_count,
        bool_or(is_converted) as is_converted
    from steps
    group by session_date, site, outcome, step_number, action
),

named as (
    select
        session_date,
        site,
        outcome,
        step_number,
        case
            when session_count < $min_session_count and not starts_with(action, '(')
                then '(other)'
            else action
        end as action,
        sum(session_count) as session_count,
        bool_or(is_converted) as is_converted
    from counted
    group by
        session_date,
        site,
        outcome,
        step_number,
        case
            when session_count < $min_session_count and not starts_with(action, '(')
                then '(other)'
            else action
        end
)

select
    n.session_date,
    n.site,
    n.outcome,
    n.step_number,
    n.action,
    n.session_count,
    case when n.is_converted then n.session_count else 0 end as converted_count,
    cast(n.session_count as double) / nullif(cast(s.session_count as double), 0) as share
from named as n
inner join counted as s
    on
        n.session_date = s.session_date
        and n.site = s.site
        and n.outcome = s.outcome
        and s.step_number = 0
