-- One row is a session of the day and an action that it did: when it first did it, and whether a
-- conversion came after. Only the most visited actions of a day of a site are kept, and those of
-- funnel steps: of each step, the action that met it most often. A session that converts as a whole
-- converts after all of its actions. A conversion is also after its own action: otherwise, an event
-- that is sent twice would look like a conversion that visits go on to.
with firsts as (
    select
        s.session_number,
        n.label_number,
        min(a.event_number) as event_number
    from session_actions as a
    inner join numbered_sessions as s
        on a.session_id = s.session_id
    inner join numbered_actions as n
        on a.session_date = n.session_date and a.site = n.site and a.action = n.action
    group by s.session_number, n.label_number
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
        f.label_number,
        s.action is not null as is_of_a_step,
        row_number() over (
            partition by n.session_date, n.site order by f.session_count desc, n.action asc
        ) as place
    from (
        select
            label_number,
            count(*) as session_count
        from firsts
        group by label_number
    ) as f
    inner join numbered_actions as n
        on f.label_number = n.label_number
    left join step_actions as s
        on n.session_date = s.session_date and n.site = s.site and n.action = s.action
),

last_firsts as (
    select
        session_number,
        max(event_number) as event_number
    from firsts
    group by session_number
)

select
    f.session_number,
    f.label_number,
    f.event_number,
    s.is_converted and coalesce(s.last_event_number >= f.event_number, true) as is_converted,
    case when coalesce(s.last_event_number >= f.event_number, true) then s.value end as value,
    f.event_number = l.event_number as is_last,
    a.place <= $most_followed_actions or a.is_of_a_step as is_followed
from firsts as f
inner join actions as a
    on f.label_number = a.label_number
inner join last_firsts as l
    on f.session_number = l.session_number
inner join numbered_sessions as s
    on f.session_number = s.session_number
where a.place <= $most_actions or a.is_of_a_step
