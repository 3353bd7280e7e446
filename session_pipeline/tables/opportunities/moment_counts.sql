-- One row is a moment (a site, an action, a position, a stage and a device) and a signal of
-- friction; '' counts all sessions that are at the moment.
-- A session is counted once at an action and position, the first time. It is without a signal if
-- the signal has not occurred by then, also if it occurs later: nobody could know. So sessions
-- without it are all sessions minus excluded_count. A signal that is a way to the present action,
-- such as a U-turn, can lead to any action, so its session is excluded at all later moments.
with most_visited as (
    select
        session_date,
        site,
        action,
        label_number
    from counted_actions
    where place <= $most_moment_actions
),

counted as (
    select
        m.session_number,
        m.label_number,
        m.action_number,
        m.position_bucket,
        m.stage,
        m.value,
        m.is_first_in_bucket
    from moments as m
    inner join most_visited as v
        on m.label_number = v.label_number
),

signals as (
    -- One row is a session, an action and a signal that was complete before the first conversion,
    -- and the moment at which it was complete.
    select
        m.session_number,
        v.label_number as signal_label_number,
        f.signal,
        c.is_of_a_visit,
        m.label_number,
        m.action_number,
        m.position_bucket,
        m.stage
    from session_friction as f
    inner join compared_signals as c
        on f.signal = c.signal
    inner join most_visited as v
        on f.session_date = v.session_date and f.site = v.site and f.action = v.action
    inner join numbered_sessions as s
        on f.session_id = s.session_id
    inner join moments as m
        on s.session_number = m.session_number and f.first_action_number = m.action_number
),

placed as (
    -- A signal of a visit, such as an error, belongs to the moment at which its page was opened;
    -- any other, such as a U-turn, to the moment at which it was complete. The label is null if
    -- there is no such moment, or its action is not counted.
    select
        s.session_number,
        s.signal_label_number,
        s.signal,
        s.is_of_a_visit,
        c.label_number,
        coalesce(c.action_number, s.action_number) as action_number,
        c.position_bucket,
        c.stage
    from signals as s
    left join counted as c
        on
            s.session_number = c.session_number
            and s.signal_label_number = c.label_number
            and s.action_number >= c.action_number
    where s.is_of_a_visit
    qualify
        row_number() over (
            partition by s.session_number, s.signal_label_number, s.signal
            order by c.action_number desc nulls last
        ) = 1
    union all
    select
        s.session_number,
        s.signal_label_number,
        s.signal,
        s.is_of_a_visit,
        v.label_number,
        s.action_number,
        s.position_bucket,
        s.stage
    from signals as s
    left join most_visited as v
        on s.label_number = v.label_number
    where not s.is_of_a_visit
),

counted_sessions as (
    select
        session_number,
        label_number,
        position_bucket,
        stage,
        value,
        '' as signal,
        0 as signal_label_number,
        false as is_excluded
    from counted
    where is_first_in_bucket
    union all
    select
        session_number,
        label_number,
        position_bucket,
        stage,
        cast(null as decimal(38, 6)) as value,
        signal,
        signal_label_number,
        false as is_excluded
    from placed
    where label_number is not null
    union all
    select
        c.session_number,
        c.label_number,
        c.position_bucket,
        c.stage,
        cast(null as decimal(38, 6)) as value,
        p.signal,
        p.signal_label_number,
        true as is_excluded
    from placed as p
    inner join counted as c
        on
            p.session_number = c.session_number
            and p.action_number <= c.action_number
            and (not p.is_of_a_visit or p.signal_label_number = c.label_number)
    where c.is_first_in_bucket
),

summed as (
    select
        c.label_number,
        c.position_bucket,
        c.stage,
        s.device,
        c.signal,
        c.signal_label_number,
        count(*) filter (where not c.is_excluded) as session_count,
        count(*) filter (where not c.is_excluded and s.is_converted) as converted_count,
        count(*) filter (where c.is_excluded) as excluded_count,
        count(*) filter (where c.is_excluded and s.is_converted) as excluded_converted_count,
        sum(c.value) as value,
        min(c.session_number) filter (
            where not c.is_excluded and not s.is_converted and c.signal <> ''
        ) as example_session_number
    from counted_sessions as c
    inner join numbered_sessions as s
        on c.session_number = s.session_number
    group by
        c.label_number, c.position_bucket, c.stage, s.device, c.signal, c.signal_label_number
)

select
    v.session_date,
    v.site,
    v.action,
    c.position_bucket,
    c.stage,
    c.device,
    c.signal,
    coalesce(o.action, '') as signal_action,
    c.session_count,
    c.converted_count,
    c.excluded_count,
    c.excluded_converted_count,
    c.value,
    s.session_id as example_session_id
from summed as c
inner join most_visited as v
    on c.label_number = v.label_number
left join most_visited as o
    on c.signal_label_number = o.label_number
left join numbered_sessions as s
    on c.example_session_number = s.session_number
