-- One row is an attempt at a funnel: of all attempts of a unit, the deepest one, then the earliest.
with deepest_steps as (
    select
        funnel,
        site,
        unit_id,
        attempt_id,
        entered_at,
        window_ends_at,
        session_id,
        event_number,
        position,
        event_id,
        step_number,
        reached_at,
        next_action
    from reached_steps
    qualify row_number() over (partition by funnel, attempt_id order by step_number desc) = 1
),

decided as (
    select
        funnel,
        site,
        unit_id,
        attempt_id,
        entered_at,
        window_ends_at,
        session_id,
        event_number,
        step_number,
        reached_at,
        next_action,
        max(window_ends_at) over (partition by funnel, site, unit_id) as last_window_ends_at
    from deepest_steps
    qualify row_number() over (
        partition by funnel, site, unit_id
        order by
            step_number desc, entered_at asc,
            position asc, event_id asc, session_id asc, event_number asc
    ) = 1
),

excluded as (
    select distinct
        d.funnel,
        d.attempt_id
    from decided as d
    inner join funnels as f
        on d.funnel = f.funnel
    inner join funnel_exclusions as x
        on d.funnel = x.funnel
    inner join reached_steps as a
        on d.funnel = a.funnel and d.attempt_id = a.attempt_id and x.after_step = a.step_number
    left join reached_steps as b
        on d.funnel = b.funnel and d.attempt_id = b.attempt_id and x.before_step = b.step_number
    inner join funnel_events as e
        on
            d.funnel = e.funnel and d.site = e.site and x.step_number = e.step_number
            and d.unit_id = case when f.grain = 'session' then e.session_id else e.visitor_id end
    where
        e.event_time > a.reached_at
        and (b.reached_at is null or e.event_time < b.reached_at)
        and (
            b.reached_at is not null
            or d.window_ends_at is null
            or e.event_time <= d.window_ends_at
        )
),

entries as (
    select
        d.funnel,
        d.site,
        d.session_id,
        e.visitor_id,
        e.breakdown,
        d.entered_at,
        e.event_id as entry_event_id,
        d.step_number as step_reached,
        d.reached_at as last_step_at,
        d.next_action,
        d.step_number = f.step_count as is_converted,
        x.attempt_id is not null as is_excluded,
        d.step_number = f.step_count
        or case
            when f.grain = 'session' then e.is_complete
            else coalesce(d.last_window_ends_at < $observed_until, false)
        end as is_window_closed,
        e.is_bot
    from decided as d
    inner join funnels as f
        on d.funnel = f.funnel
    inner join funnel_events as e
        on
            d.funnel = e.funnel and d.session_id = e.session_id and d.event_number = e.event_number
            and e.step_number = 1
    left join excluded as x
        on d.funnel = x.funnel and d.attempt_id = x.attempt_id
)

select
    funnel,
    cast(1 as bigint) as attempt_number,
    site,
    session_id,
    visitor_id,
    breakdown,
    entered_at,
    entry_event_id,
    step_reached,
    last_step_at,
    case when not is_converted then next_action end as dropped_to_action,
    is_converted,
    is_excluded,
    is_window_closed,
    case
        when is_converted
            then cast(date_diff('microsecond', entered_at, last_step_at) as double) / 1000000
    end as seconds_to_convert,
    is_bot
from entries
