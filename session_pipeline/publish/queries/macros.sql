-- Table macros of the warehouse, for questions that no table answers. They read session_actions and
-- leave out sessions of bots. macros.py describes their arguments, and docs/queries.md shows their
-- results. No argument has the name of a column, because in a view, DuckDB takes one for the other.

-- One row is a path: the actions that followed the first time that sessions had an action. If fewer
-- than step_count actions followed, the path ends with (end). An action whose own name begins with
-- a bracket is written as in the tables of paths: action (end).
-- select * from paths_after('/cart', step_count := 2, first_day := '2026-10-05')
create or replace macro paths_after(
    given_action, step_count := 3, first_day := null, last_day := null, given_site := null
) as table (
    with first_occurrences as (
        select
            session_id,
            min(action_number) as first_number
        from session_actions
        where
            action = given_action
            and case
                when step_count >= 1 then true
                else error('step_count of paths_after must be at least 1')
            end
            and not is_bot
            and coalesce(session_date >= cast(first_day as date), true)
            and coalesce(session_date <= cast(last_day as date), true)
            and coalesce(site = given_site, true)
        group by session_id
    ),

    paths as (
        select
            f.session_id,
            string_agg(
                replace(regexp_replace(a.action, '^[(]', 'action ('), '>', '›') || case
                    when a.is_exit and a.action_number < f.first_number + step_count
                        then ' > (end)'
                    else ''
                end,
                ' > ' order by a.action_number
            ) as path
        from first_occurrences as f
        left join session_actions as a
            on
                f.session_id = a.session_id
                and f.first_number < a.action_number
                and f.first_number + step_count >= a.action_number
        group by f.session_id
    )

    select
        coalesce(p.path, '(end)') as path,
        count(*) as session_count,
        count(*) filter (where o.is_converted) as converted_count,
        count(*) / sum(count(*)) over () as share
    from paths as p
    inner join session_outcomes as o
        on p.session_id = o.session_id
    group by p.path
    order by session_count desc, path asc
);

-- One row is a path: the actions before the first time that sessions had an action. If there were
-- fewer than step_count actions, the path begins with (start).
-- select * from paths_before('purchase', step_count := 2)
create or replace macro paths_before(
    given_action, step_count := 3, first_day := null, last_day := null, given_site := null
) as table (
    with first_occurrences as (
        select
            session_id,
            min(action_number) as first_number
        from session_actions
        where
            action = given_action
            and case
                when step_count >= 1 then true
                else error('step_count of paths_before must be at least 1')
            end
            and not is_bot
            and coalesce(session_date >= cast(first_day as date), true)
            and coalesce(session_date <= cast(last_day as date), true)
            and coalesce(site = given_site, true)
        group by session_id
    ),

    paths as (
        select
            f.session_id,
            string_agg(
                case
                    when a.is_landing and f.first_number - a.action_number < step_count
                        then '(start) > '
                    else ''
                end || replace(regexp_replace(a.action, '^[(]', 'action ('), '>', '›'),
                ' > ' order by a.action_number
            ) as path
        from first_occurrences as f
        left join session_actions as a
            on
                f.session_id = a.session_id
                and f.first_number > a.action_number
                and f.first_number - step_count <= a.action_number
        group by f.session_id
    )

    select
        coalesce(p.path, '(start)') as path,
        count(*) as session_count,
        count(*) filter (where o.is_converted) as converted_count,
        count(*) / sum(count(*)) over () as share
    from paths as p
    inner join session_outcomes as o
        on p.session_id = o.session_id
    group by p.path
    order by session_count desc, path asc
);

-- One row is a step of a funnel whose steps are actions: how many sessions had the actions up to
-- this one, in this order. Other actions may be in between.
-- select * from ad_hoc_funnel(['/cart', 'begin_checkout', 'purchase'], window_seconds := 1800)
create or replace macro ad_hoc_funnel(
    given_steps, window_seconds := null, first_day := null, last_day := null, given_site := null
) as table (
    with recursive given as (
        select
            try_cast(given_steps as varchar[]) as steps,
            try_cast(window_seconds as double) as most_seconds
    ),

    -- A text that is no list, or a window below 0, would count something else without an error.
    arguments as (
        select
            case
                when len(steps) >= 1 and list_count(steps) = len(steps) then steps
                else error('ad_hoc_funnel needs a list of actions: [''/cart'', ''purchase'']')
            end as steps,
            case
                when most_seconds >= 0 or window_seconds is null then most_seconds
                else error('window_seconds of ad_hoc_funnel must be at least 0, or null')
            end as most_seconds
        from given
    ),

    step_actions as (
        select
            s.session_id,
            s.action_number,
            s.action,
            s.occurred_at
        from session_actions as s
        cross join arguments as g
        where
            list_contains(g.steps, s.action)
            and not s.is_bot
            and coalesce(s.session_date >= cast(first_day as date), true)
            and coalesce(s.session_date <= cast(last_day as date), true)
            and coalesce(s.site = given_site, true)
    ),

    -- One row is a step, a session, and an action that takes the step. Of several attempts that
    -- take it with the same action, the latest has the most time left.
    reached_steps as (
        select
            1 as step_number,
            session_id,
            action_number,
            occurred_at as entered_at
        from step_actions
        cross join arguments
        where action = steps[1]
        union all
        select
            n.step_number + 1 as step_number,
            n.session_id,
            n.action_number,
            max(n.entered_at) as entered_at
        from (
            select
                r.step_number,
                r.session_id,
                r.entered_at,
                min(a.action_number) as action_number
            from reached_steps as r
            cross join arguments as g
            inner join step_actions as a
                on
                    r.session_id = a.session_id
                    and r.action_number < a.action_number
                    and a.action = g.steps[r.step_number + 1]
                    and coalesce(
                        date_diff('microsecond', r.entered_at, a.occurred_at) / 1000000
                        <= g.most_seconds,
                        true
                    )
            group by r.step_number, r.session_id, r.action_number, r.entered_at
        ) as n
        group by n.step_number, n.session_id, n.action_number
    ),

    step_counts as (
        select
            s.step_number,
            s.step,
            count(distinct r.session_id) as session_count
        from (
            select
                unnest(steps) as step,
                unnest(range(1, len(steps) + 1)) as step_number
            from arguments
        ) as s
        left join reached_steps as r
            on s.step_number = r.step_number
        group by s.step_number, s.step
    )

    select
        step_number,
        step,
        session_count,
        session_count / nullif(first_value(session_count) over (order by step_number), 0)
            as conversion_rate,
        session_count / nullif(lag(session_count) over (order by step_number), 0)
            as step_conversion_rate
    from step_counts
    order by step_number
);
