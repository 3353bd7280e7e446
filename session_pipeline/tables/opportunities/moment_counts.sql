-- One row is a moment (a site, an action, a position, a stage and a device) and a signal of
-- friction; '' counts all sessions at the moment.
-- Sessions without a signal are all at the moment, minus session_count, minus earlier_count (they
-- had it at the action before). Of a signal that is complete only with the next page, sessions that
-- ended at the moment are left out on both sides: otherwise, to go on at all would count for it.
with counted as (
    select
        m.session_date,
        m.site,
        m.session_id,
        m.action,
        m.action_number,
        lead(m.action_number) over (
            partition by m.session_id, m.action
            order by m.action_number
        ) as next_action_number,
        m.position_bucket,
        m.stage,
        m.device,
        m.is_converted,
        m.value,
        m.last_event_number,
        m.is_exit
    from moments as m
    inner join counted_actions as c
        on m.session_date = c.session_date and m.site = c.site and m.action = c.action
    where c.place <= $most_moment_actions
),

signals as (
    select
        f.session_id,
        f.action,
        f.signal,
        s.needs_next_action,
        f.first_action_number,
        a.event_number
    from session_friction as f
    inner join compared_signals as s
        on f.signal = s.signal
    inner join session_actions as a
        on f.session_id = a.session_id and f.first_action_number = a.action_number
),

hits as (
    select
        c.session_date,
        c.site,
        c.session_id,
        c.action,
        c.position_bucket,
        c.stage,
        c.device,
        c.is_converted,
        case when c.is_converted then c.value end as value,
        s.signal,
        s.first_action_number < c.action_number as is_earlier,
        false as is_exit
    from counted as c
    inner join signals as s
        on c.session_id = s.session_id and c.action = s.action
    where
        (c.last_event_number is null or s.event_number < c.last_event_number)
        and (c.next_action_number is null or s.first_action_number < c.next_action_number)
        and not (c.is_exit and s.needs_next_action)
    union all
    select
        session_date,
        site,
        session_id,
        action,
        position_bucket,
        stage,
        device,
        is_converted,
        case when is_converted then value end as value,
        '' as signal,
        false as is_earlier,
        is_exit
    from counted
)

select
    session_date,
    site,
    action,
    position_bucket,
    stage,
    device,
    signal,
    count(*) filter (where not is_earlier) as session_count,
    count(*) filter (where not is_earlier and is_converted) as converted_count,
    count(*) filter (where is_earlier) as earlier_count,
    count(*) filter (where is_earlier and is_converted) as earlier_converted_count,
    count(*) filter (where is_exit) as exit_count,
    count(*) filter (where is_exit and is_converted) as exit_converted_count,
    sum(value) filter (where not is_earlier) as value,
    min(session_id) filter (
        where not is_earlier and not is_converted and signal <> ''
    ) as example_session_id
from hits
group by session_date, site, action, position_bucket, stage, device, signal
