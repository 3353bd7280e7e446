-- One row is an action at a position of sessions with one outcome. Position 0 is the start. The end
-- follows the last action; sessions with more actions than max_steps have '(more)' there.
with labels_at_steps as (
    select
        group_number,
        action_number,
        label_number,
        count(*) as session_count
    from path_actions
    where action_number <= $max_steps
    group by group_number, action_number, label_number
),

ends as (
    select
        group_number,
        least(action_number, $max_steps) + 1 as step_number,
        case when action_number <= $max_steps then '(end)' else '(more)' end as action
    from path_actions
    where next_label_number = 0
    union all
    select
        group_number,
        cast(1 as bigint) as step_number,
        '(end)' as action
    from path_sessions
    where landing_action is null
    union all
    select
        group_number,
        cast(0 as bigint) as step_number,
        '(start)' as action
    from path_sessions
),

counted as (
    select
        s.group_number,
        s.action_number as step_number,
        l.label as action,
        s.session_count
    from labels_at_steps as s
    inner join path_labels as l
        on s.label_number = l.label_number
    union all
    select
        group_number,
        step_number,
        action,
        count(*) as session_count
    from ends
    group by group_number, step_number, action
),

named as (
    select
        group_number,
        step_number,
        case
            when session_count < $min_session_count and not starts_with(action, '(')
                then '(other)'
            else action
        end as action,
        sum(session_count) as session_count
    from counted
    group by
        group_number,
        step_number,
        case
            when session_count < $min_session_count and not starts_with(action, '(')
                then '(other)'
            else action
        end
)

select
    g.session_date,
    g.site,
    g.outcome,
    n.step_number,
    n.action,
    n.session_count,
    case when g.is_converted then n.session_count else 0 end as converted_count,
    cast(n.session_count as double) / nullif(cast(s.session_count as double), 0) as share
from named as n
inner join path_groups as g
    on n.group_number = g.group_number
inner join counted as s
    on n.group_number = s.group_number and s.step_number = 0
