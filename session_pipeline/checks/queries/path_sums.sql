-- One row is a day for which the tables of paths do not add up, with the number by each.
with counted as (
    select
        session_date,
        'sessions' as counted_in,
        count(*) as row_sum
    from sessions
    where not is_bot
    group by session_date
    union all
    select
        session_date,
        'actions' as counted_in,
        count(*) as row_sum
    from session_actions
    where not is_bot
    group by session_date
    union all
    select
        session_date,
        'transitions' as counted_in,
        sum(transition_count) as row_sum
    from action_transitions
    group by session_date
    union all
    select
        session_date,
        'paths' as counted_in,
        sum(session_count) as row_sum
    from session_paths
    group by session_date
    union all
    select
        session_date,
        'folded_paths' as counted_in,
        sum(session_count) as row_sum
    from path_counts
    group by session_date
    union all
    select
        session_date,
        'starts' as counted_in,
        sum(session_count) as row_sum
    from action_steps
    where step_number = 0
    group by session_date
    union all
    select
        session_date,
        'ends' as counted_in,
        sum(session_count) as row_sum
    from action_steps
    where action in ('(end)', '(more)')
    group by session_date
),

widest_steps as (
    select
        session_date,
        step_number,
        sum(session_count) as row_sum
    from action_steps
    group by session_date, step_number
    qualify
        row_number() over (
            partition by session_date order by sum(session_count) desc, step_number
        ) = 1
),

of_day as (
    select
        d.event_date as session_date,
        coalesce(sum(c.row_sum) filter (where c.counted_in = 'sessions'), 0) as sessions,
        coalesce(sum(c.row_sum) filter (where c.counted_in = 'actions'), 0) as actions,
        coalesce(sum(c.row_sum) filter (where c.counted_in = 'transitions'), 0) as transitions,
        coalesce(sum(c.row_sum) filter (where c.counted_in = 'paths'), 0) as session_paths,
        coalesce(sum(c.row_sum) filter (where c.counted_in = 'folded_paths'), 0) as path_counts,
        coalesce(sum(c.row_sum) filter (where c.counted_in = 'starts'), 0) as starts,
        coalesce(sum(c.row_sum) filter (where c.counted_in = 'ends'), 0) as ends
    from days as d
    left join counted as c
        on d.event_date = c.session_date
    group by d.event_date
)

select
    o.session_date,
    o.sessions,
    o.actions,
    o.transitions,
    o.session_paths,
    o.path_counts,
    o.starts,
    o.ends
from of_day as o
left join widest_steps as w
    on o.session_date = w.session_date
where
    o.transitions <> o.actions + o.sessions
    or o.session_paths <> o.sessions
    or o.path_counts <> o.sessions
    or o.starts <> o.sessions
    or o.ends <> o.sessions
    or w.row_sum > o.sessions
order by o.session_date
