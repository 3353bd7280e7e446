-- Table macros of the warehouse, for questions that no table answers. Analysts call them as in
-- select * from paths_after('/cart'). Sessions of bots are left out.
create or replace macro paths_after(
    given_action, step_count := 3, first_day := null, last_day := null
) as table (
    with starts as (
        select
            session_id,
            min(action_number) as start_number
        from session_actions
        where
            action = given_action
            and not is_bot
            and coalesce(session_date >= cast(first_day as date), true)
            and coalesce(session_date <= cast(last_day as date), true)
        group by session_id
    ),

    followed as (
        select
            s.session_id,
            string_agg(
                a.action || case
                    when a.is_exit and a.action_number < s.start_number + step_count
                        then ' > (end)'
                    else ''
                end,
                ' > ' order by a.action_number
            ) as path
        from starts as s
        left join session_actions as a
            on
                s.session_id = a.session_id
                and s.start_number < a.action_number
                and s.start_number + step_count >= a.action_number
        group by s.session_id
    )

    select
        coalesce(f.path, '(end)') as path,
        count(*) as session_count,
        count(*) filter (where o.is_converted) as converted_count,
        count(*) / sum(count(*)) over () as share
    from followed as f
    inner join session_outcomes as o
        on f.session_id = o.session_id
    group by f.path
    order by session_count desc, path asc
);

create or replace macro paths_before(
    given_action, step_count := 3, first_day := null, last_day := null
) as table (
    with ends as (
        select
            session_id,
            min(action_number) as end_number
        from session_actions
        where
            action = given_action
            and not is_bot
            and coalesce(session_date >= cast(first_day as date), true)
            and coalesce(session_date <= cast(last_day as date), true)
        group by session_id
    ),

    led as (
        select
            e.session_id,
            string_agg(
                case
                    when a.is_landing and e.end_number - a.action_number < step_count
                        then '(start) > '
                    else ''
                end || a.action,
                ' > ' order by a.action_number
            ) as path
        from ends as e
        left join session_actions as a
            on
                e.session_id = a.session_id
                and e.end_number > a.action_number
                and e.end_number - step_count <= a.action_number
        group by e.session_id
    )

    select
        coalesce(l.path, '(start)') as path,
        count(*) as session_count,
        count(*) filter (where o.is_converted) as converted_count,
        count(*) / sum(count(*)) over () as share
    from led as l
    inner join session_outcomes as o
        on l.session_id = o.session_id
    group by l.path
    order by session_count desc, path asc
);

-- Of several attempts that reach a step with the same action, the latest has the most time left.
create or replace macro ad_hoc_funnel(
    given_steps, window_seconds := null, first_day := null, last_day := null
) as table (
    with recursive actions as (
        select
            session_id,
            action_number,
            action,
            occurred_at
        from session_actions
        where
            list_contains(given_steps, action)
            and not is_bot
            and coalesce(session_date >= cast(first_day as date), true)
            and coalesce(session_date <= cast(last_day as date), true)
    ),

    reached as (
        select
            1 as step_number,
            session_id,
            action_number,
            occurred_at as entered_at
        from actions
        where action = given_steps[1]
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
            from reached as r
            inner join actions as a
                on
                    r.session_id = a.session_id
                    and r.action_number < a.action_number
                    and a.action = given_steps[r.step_number + 1]
                    and coalesce(
                        date_diff('microsecond', r.entered_at, a.occurred_at) / 1000000
                        <= window_seconds,
                        true
                    )
            group by r.step_number, r.session_id, r.action_number, r.entered_at
        ) as n
        group by n.step_number, n.session_id, n.action_number
    ),

    counted as (
        select
            s.step_number,
            count(distinct r.session_id) as session_count
        from (select unnest(range(1, len(given_steps) + 1)) as step_number) as s
        left join reached as r
            on s.step_number = r.step_number
        group by s.step_number
    )

    select
        step_number,
        given_steps[step_number] as step,
        session_count,
        session_count / nullif(first_value(session_count) over (order by step_number), 0)
            as conversion_rate,
        session_count / nullif(lag(session_count) over (order by step_number), 0)
            as step_conversion_rate
    from counted
    order by step_number
);
