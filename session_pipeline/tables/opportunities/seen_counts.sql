-- One row is a first time at an action (at a position, stage and device), and an action that some
-- of its sessions did before; '' counts all of them.
-- A milestone is no advice: who has been at the cart is closer to buying. It is matched as the
-- stage.
with arrivals as (
    select
        m.session_date,
        m.site,
        m.session_id,
        m.action,
        m.action_number,
        m.position_bucket,
        m.stage,
        m.device,
        m.is_converted,
        c.is_milestone
    from moments as m
    inner join counted_actions as c
        on m.session_date = c.session_date and m.site = c.site and m.action = c.action
    where m.is_first and c.place <= $most_seen_actions
),

seen as (
    select
        a.session_date,
        a.site,
        a.session_id,
        a.action as at_action,
        a.position_bucket,
        a.stage,
        a.device,
        a.is_converted,
        a.is_milestone,
        b.action as seen_action
    from arrivals as a
    inner join arrivals as b
        on a.session_id = b.session_id and a.action_number > b.action_number
    where not b.is_milestone
    union all
    select
        session_date,
        site,
        session_id,
        action as at_action,
        position_bucket,
        stage,
        device,
        is_converted,
        is_milestone,
        '' as seen_action
    from arrivals
)

select
    session_date,
    site,
    at_action,
    position_bucket,
    stage,
    device,
    seen_action,
    is_milestone,
    count(*) as session_count,
    count(*) filter (where is_converted) as converted_count,
    min(session_id) filter (where is_converted and seen_action <> '') as example_session_id
from seen
group by session_date, site, at_action, position_bucket, stage, device, seen_action, is_milestone
