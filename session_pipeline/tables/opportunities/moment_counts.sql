-- One row is a moment (a site, an action, a position, a stage and a device) and a signal of
-- friction; '' counts all sessions that are at the moment.
-- A session is counted once at an action and position, the first time. It is without a signal if
-- the signal has not occurred by then, also if it occurs later: nobody could know. So sessions
-- without it are all sessions minus excluded_count. A signal that is a way to the present action,
-- such as a U-turn, can lead to any action, so its session is excluded at all later moments.
with counted as (
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
        m.value,
        m.is_first_in_bucket
    from moments as m
    inner join counted_actions as c
        on m.session_date = c.session_date and m.site = c.site and m.action = c.action
    where c.place <= $most_moment_actions
),

signals as (
    -- One row is a session, an action and a signal that was complete before the last conversion.
    select
        f.session_id,
        f.action as signal_action,
        f.signal,
        f.first_action_number as complete_number,
        s.is_of_a_visit
    from session_friction as f
    inner join compared_signals as s
        on f.signal = s.signal
    inner join moments as m
        on f.session_id = m.session_id and f.first_action_number = m.action_number
    inner join counted_actions as c
        on m.session_date = c.session_date and m.site = c.site and f.action = c.action
    where c.place <= $most_moment_actions
),

placed as (
    -- A signal of a visit, such as an error, belongs to the moment at which its page was opened;
    -- any other, such as a U-turn, to the moment at which it was complete. The moment is null if
    -- there is none, or its action is not counted.
    select
        s.session_id,
        s.signal_action,
        s.signal,
        s.is_of_a_visit,
        s.complete_number,
        c.session_date,
        c.site,
        c.action,
        c.action_number,
        c.position_bucket,
        c.stage,
        c.device,
        c.is_converted
    from signals as s
    left join counted as c
        on
            s.session_id = c.session_id
            and s.complete_number >= c.action_number
            and case
                when s.is_of_a_visit then s.signal_action = c.action
                else s.complete_number = c.action_number
            end
    qualify row_number() over (
        partition by s.session_id, s.signal_action, s.signal
        order by c.action_number desc nulls last
    ) = 1
),

counted_sessions as (
    select
        session_date,
        site,
        session_id,
        action,
        position_bucket,
        stage,
        device,
        is_converted,
        value,
        '' as signal,
        '' as signal_action,
        false as is_excluded
    from counted
    where is_first_in_bucket
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
        cast(null as decimal(38, 6)) as value,
        signal,
        signal_action,
        false as is_excluded
    from placed
    where action is not null
    union all
    select
        c.session_date,
        c.site,
        c.session_id,
        c.action,
        c.position_bucket,
        c.stage,
        c.device,
        c.is_converted,
        cast(null as decimal(38, 6)) as value,
        p.signal,
        p.signal_action,
        true as is_excluded
    from placed as p
    inner join counted as c
        on
            p.session_id = c.session_id
            and coalesce(p.action_number, p.complete_number) <= c.action_number
            and (not p.is_of_a_visit or p.signal_action = c.action)
    where c.is_first_in_bucket
)

select
    session_date,
    site,
    action,
    position_bucket,
    stage,
    device,
    signal,
    signal_action,
    count(*) filter (where not is_excluded) as session_count,
    count(*) filter (where not is_excluded and is_converted) as converted_count,
    count(*) filter (where is_excluded) as excluded_count,
    count(*) filter (where is_excluded and is_converted) as excluded_converted_count,
    sum(value) as value,
    min(session_id) filter (
        where not is_excluded and not is_converted and signal <> ''
    ) as example_session_id
from counted_sessions
group by session_date, site, action, position_bucket, stage, device, signal, signal_action
