-- One row is a day of a site for which the tables of paths do not add up, with the number by each.
-- At each step of action_steps are the sessions that end there or later. A missing step is also
-- wrong.
with steps as (
    select
        session_date,
        site,
        step_number,
        sum(session_count) as session_count,
        sum(case when action in ('(end)', '(more)') then session_count else 0 end) as end_count
    from action_steps
    group by session_date, site, step_number
),

ending as (
    select
        session_date,
        site,
        step_number,
        session_count,
        end_count,
        sum(end_count) over (
            partition by session_date, site
            order by step_number desc
            rows between unbounded preceding and current row
        ) as ending_count
    from steps
),

counted as (
    select
        session_date,
        site,
        count(*) as sessions
    from sessions
    where not is_bot
    group by session_date, site
    union all by name
    select
        session_date,
        site,
        count(*) as actions
    from session_actions
    where not is_bot
    group by session_date, site
    union all by name
    select
        session_date,
        site,
        sum(transition_count) as transitions
    from action_transitions
    group by session_date, site
    union all by name
    select
        session_date,
        site,
        sum(session_count) as session_paths
    from session_paths
    group by session_date, site
    union all by name
    select
        session_date,
        site,
        sum(session_count) as path_counts
    from path_counts
    group by session_date, site
    union all by name
    select
        session_date,
        site,
        sum(session_count) filter (where step_number = 0) as starts,
        sum(end_count) as ends,
        max(step_number) + 1 - count(*) filter (where session_count = ending_count) as wrong_steps
    from ending
    group by session_date, site
)

select
    c.session_date,
    c.site,
    coalesce(sum(c.sessions), 0) as sessions,
    coalesce(sum(c.actions), 0) as actions,
    coalesce(sum(c.transitions), 0) as transitions,
    coalesce(sum(c.session_paths), 0) as session_paths,
    coalesce(sum(c.path_counts), 0) as path_counts,
    coalesce(sum(c.starts), 0) as starts,
    coalesce(sum(c.ends), 0) as ends,
    coalesce(sum(c.wrong_steps), 0) as wrong_steps
from counted as c
group by c.session_date, c.site
having
    transitions <> actions + sessions
    or session_paths <> sessions
    or path_counts <> sessions
    or starts <> sessions
    or ends <> sessions
    or wrong_steps > 0
order by session_date, site
