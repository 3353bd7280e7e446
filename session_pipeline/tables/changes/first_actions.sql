-- One row is a session of the day and an action that it did: when it first did it, and whether a
-- conversion came after. Only the most visited actions of a day of a site are kept, and those of
-- funnel steps: of each step, the action that met it most often. A session that converts as a whole
-- converts after all of its actions.
with firsts as (
    select
        session_date,
        site,
        session_id,
        action,
        min(event_number) as event_number
    from session_actions
    where not is_bot
    group by session_date, site, session_id, action
),

step_actions as (
    select distinct
        session_date,
        site,
        action
    from (
        select
            a.session_date,
            a.site,
            a.action,
            row_number() over (
                partition by a.session_date, a.site, m.funnel, m.step_number
                order by count(distinct a.session_id) desc, a.action asc
            ) as place
        from funnel_matches as m
        inner join session_actions as a
            on m.session_id = a.session_id and m.event_number = a.event_number
        where m.step_number > 0 and not a.is_bot
        group by a.session_date, a.site, m.funnel, m.step_number, a.action
    ) as ranked
    where place = 1
),

actions as (
    select
        f.session_date,
        f.site,
        f.action,
        s.action is not null as is_of_a_step,
        row_number() over (
            partition by f.session_date, f.site order by f.session_count desc, f.action asc
        ) as place
    from (
        select
            session_date,
            site,
            action,
            count(*) as session_count
        from firsts
        group by session_date, site, action
    ) as f
    left join step_actions as s
        on f.session_date = s.session_date and f.site = s.site and f.action = s.action
),

conversions as (
    select
        o.session_id,
        o.value,
        max(m.event_number) as last_event_number
    from session_outcomes as o
    left join outcome_matches as m
        on o.session_id = m.session_id and o.outcome = m.rule
    where o.is_converted
    group by o.session_id, o.value
),

last_firsts as (
    select
        session_id,
        max(event_number) as event_number
    from firsts
    group by session_id
)

select
    f.session_date,
    f.site,
    f.session_id,
    f.action,
    f.event_number,
    c.session_id is not null
    and coalesce(c.last_event_number > f.event_number, true) as is_converted,
    case when coalesce(c.last_event_number > f.event_number, true) then c.value end as value,
    f.event_number = l.event_number as is_last,
    a.place <= $most_followed_actions or a.is_of_a_step as is_followed
from firsts as f
inner join actions as a
    on f.session_date = a.session_date and f.site = a.site and f.action = a.action
inner join last_firsts as l
    on f.session_id = l.session_id
left join conversions as c
    on f.session_id = c.session_id
where a.place <= $most_actions or a.is_of_a_step
