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
                when step_count >= 1 and step_count % 1 = 0 then true
                else error('step_count of paths_after must be a whole number from 1')
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
                when step_count >= 1 and step_count % 1 = 0 then true
                else error('step_count of paths_before must be a whole number from 1')
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
-- this one, in this order. Other actions may be in between. If the steps are lists, each of them is
-- met by any of its actions.
-- select * from ad_hoc_funnel(['/cart', 'begin_checkout', 'purchase'], window_seconds := 1800)
-- select * from ad_hoc_funnel([['/cart', '/basket'], ['purchase']])
create or replace macro ad_hoc_funnel(
    given_steps, window_seconds := null, first_day := null, last_day := null, given_site := null
) as table (
    with recursive given as (
        select
            case
                when typeof(given_steps) like '%][%' then try_cast(given_steps as varchar[][])
                else list_transform(try_cast(given_steps as varchar[]), lambda x: [x])
            end as steps,
            try_cast(window_seconds as double) as most_seconds
    ),

    -- A text that is no list, or a window below 0, would count something else without an error.
    arguments as (
        select
            case
                when
                    len(steps) >= 1
                    and list_bool_and(
                        list_transform(
                            steps, lambda x: coalesce(len(x) > 0 and list_count(x) = len(x), false)
                        )
                    )
                    then steps
                else error('ad_hoc_funnel needs a list of actions: [''/cart'', ''purchase'']')
            end as steps,
            case
                when most_seconds >= 0 or window_seconds is null then most_seconds
                else error('window_seconds of ad_hoc_funnel must be at least 0, or null')
            end as most_seconds
        from given
    ),

    numbered_steps as (
        select
            unnest(range(1, len(steps) + 1)) as step_number,
            unnest(steps) as actions,
            most_seconds
        from arguments
    ),

    step_options as (
        select
            step_number,
            most_seconds,
            unnest(actions) as action
        from numbered_steps
    ),

    -- One row is a step and an action of a session that can take it.
    step_actions as (
        select
            o.step_number,
            o.most_seconds,
            s.session_id,
            s.action_number,
            s.occurred_at
        from session_actions as s
        inner join step_options as o
            on s.action = o.action
        where
            not s.is_bot
            and coalesce(s.session_date >= cast(first_day as date), true)
            and coalesce(s.session_date <= cast(last_day as date), true)
            and coalesce(s.site = given_site, true)
    ),

    -- One row is a step, a session, and an action that takes the step. Of several attempts that
    -- take it with the same action, the latest has the most time left.
    reached_steps as (
        select
            step_number,
            session_id,
            action_number,
            occurred_at as entered_at
        from step_actions
        where step_number = 1
        union all
        select
            n.step_number,
            n.session_id,
            n.action_number,
            max(n.entered_at) as entered_at
        from (
            select
                a.step_number,
                r.session_id,
                r.entered_at,
                min(a.action_number) as action_number
            from reached_steps as r
            inner join step_actions as a
                on
                    r.session_id = a.session_id
                    and r.step_number + 1 = a.step_number
                    and r.action_number < a.action_number
                    and coalesce(
                        date_diff('microsecond', r.entered_at, a.occurred_at) / 1000000
                        <= a.most_seconds,
                        true
                    )
            group by a.step_number, r.session_id, r.action_number, r.entered_at
        ) as n
        group by n.step_number, n.session_id, n.action_number
    ),

    step_counts as (
        select
            n.step_number,
            array_to_string(n.actions, ' or ') as step,
            count(distinct r.session_id) as session_count
        from numbered_steps as n
        left join reached_steps as r
            on n.step_number = r.step_number
        group by n.step_number, n.actions
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
