-- One row is a day for which the tables of paths do not add up, with the number by each.
with counted as (
    select
        session_date,
        count(*) as sessions
    from sessions
    where not is_bot
    group by session_date
    union all by name
    select
        session_date,
        count(*) as actions
    from session_actions
    where not is_bot
    group by session_date
    union all by name
    select
        session_date,
        sum(transition_count) as transitions
    from action_transitions
    group by session_date
    union all by name
    select
        session_date,
        sum(session_count) as session_paths
    from session_paths
    group by session_date
    union all by name
    select
        session_date,
        sum(session_count) as path_counts
    from path_counts
    group by session_date
    union all by name
    select
        session_date,
        sum(session_count) filter (where step_number = 0) as starts,
        sum(session_count) filter (where action in ('(end)', '(more)')) as ends,
        sum(session_count) as of_step
    from action_steps
    group by session_date, step_number
)

select
    d.event_date as session_date,
    coalesce(sum(c.sessions), 0) as sessions,
    coalesce(sum(c.actions), 0) as actions,
    coalesce(sum(c.transitions), 0) as transitions,
    coalesce(sum(c.session_paths), 0) as session_paths,
    coalesce(sum(c.path_counts), 0) as path_counts,
    coalesce(sum(c.starts), 0) as starts,
    coalesce(sum(c.ends), 0) as ends
from days as d
left join counted as c
    on d.event_date = c.session_date
group by d.event_date
having
    transitions <> actions + sessions
    or session_paths <> sessions
    or path_counts <> sessions
    or starts <> sessions
    or ends <> sessions
    or max(c.of_step) > sessions
order by session_date
