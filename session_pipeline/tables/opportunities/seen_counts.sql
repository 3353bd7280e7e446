-- One row is a first time at an action (at a position, stage and device), and an action that some
-- of its sessions did before; '' counts all of them.
-- A milestone is no advice: who has been at the cart is closer to buying. It is matched as the
-- stage.
with arrivals as (
    select
        m.session_number,
        m.label_number,
        m.action_number,
        m.position_bucket,
        m.stage,
        c.is_milestone
    from moments as m
    inner join counted_actions as c
        on m.label_number = c.label_number
    where m.is_first and c.place <= $most_seen_actions
),

seen as (
    select
        a.session_number,
        a.label_number,
        a.position_bucket,
        a.stage,
        b.label_number as seen_label_number
    from arrivals as a
    inner join arrivals as b
        on a.session_number = b.session_number and a.action_number > b.action_number
    where not b.is_milestone
    union all
    select
        session_number,
        label_number,
        position_bucket,
        stage,
        0 as seen_label_number
    from arrivals
),

counted as (
    select
        a.label_number,
        a.position_bucket,
        a.stage,
        s.device,
        a.seen_label_number,
        count(*) as session_count,
        count(*) filter (where s.is_converted) as converted_count,
        min(a.session_number) filter (
            where s.is_converted and a.seen_label_number > 0
        ) as example_session_number
    from seen as a
    inner join numbered_sessions as s
        on a.session_number = s.session_number
    group by a.label_number, a.position_bucket, a.stage, s.device, a.seen_label_number
)

select
    a.session_date,
    a.site,
    a.action as at_action,
    c.position_bucket,
    c.stage,
    c.device,
    coalesce(b.action, '') as seen_action,
    a.is_milestone,
    c.session_count,
    c.converted_count,
    s.session_id as example_session_id
from counted as c
inner join counted_actions as a
    on c.label_number = a.label_number
left join counted_actions as b
    on c.seen_label_number = b.label_number
left join numbered_sessions as s
    on c.example_session_number = s.session_number
