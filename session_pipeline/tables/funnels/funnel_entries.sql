-- One row is an attempt at a funnel. Of all attempts of a unit (session or visitor), only the
-- deepest is kept. Among equally deep attempts, one that was not excluded goes before an excluded
-- one, then the earliest goes first.
with deepest_steps as (
    select
        entry_date,
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

-- One row is an attempt and an exclusion whose after_step it reached.
guarded_attempts as (
    select
        a.funnel,
        x.step_number as exclusion_number,
        a.site,
        a.unit_id,
        a.attempt_id,
        a.reached_at as guarded_from,
        b.reached_at as guarded_before,
        a.window_ends_at
    from reached_steps as a
    inner join funnel_exclusions as x
        on a.funnel = x.funnel and a.step_number = x.after_step
    left join reached_steps as b
        on a.funnel = b.funnel and a.attempt_id = b.attempt_id and x.before_step = b.step_number
),

exclusion_events as (
    select
        e.funnel,
        e.step_number as exclusion_number,
        e.site,
        case when f.grain = 'session' then e.session_id else e.visitor_id end as unit_id,
        e.event_time
    from funnel_events as e
    inner join funnels as f
        on e.funnel = f.funnel
    where e.step_number < 0
),

-- The window below orders by descending time. At equal times it puts attempts first, so only
-- exclusion events with a later time apply to an attempt.
stream as (
    select
        funnel,
        exclusion_number,
        site,
        unit_id,
        guarded_from as at_time,
        attempt_id,
        cast(null as timestamp) as event_time,
        guarded_before,
        window_ends_at
    from guarded_attempts
    union all
    select
        funnel,
        exclusion_number,
        site,
        unit_id,
        event_time as at_time,
        cast(null as varchar) as attempt_id,
        event_time,
        cast(null as timestamp) as guarded_before,
        cast(null as timestamp) as window_ends_at
    from exclusion_events
),

next_exclusions as (
    select
        funnel,
        attempt_id,
        guarded_before,
        window_ends_at,
        last_value(event_time ignore nulls) over (
            partition by funnel, exclusion_number, site, unit_id
            order by at_time desc, attempt_id desc nulls last
            rows between unbounded preceding and current row
        ) as excluded_at
    from stream
),

excluded as (
    select distinct
        funnel,
        attempt_id
    from next_exclusions
    where
        attempt_id is not null
        and case
            when guarded_before is not null then excluded_at < guarded_before
            when window_ends_at is not null then excluded_at <= window_ends_at
            else excluded_at is not null
        end
),

decided as (
    select
        d.entry_date,
        d.funnel,
        d.session_id,
        d.event_number,
        d.entered_at,
        d.step_number,
        d.reached_at,
        d.next_action,
        x.attempt_id is not null as is_excluded,
        max(d.window_ends_at) over (
            partition by d.entry_date, d.funnel, d.site, d.unit_id
        ) as last_window_ends_at
    from deepest_steps as d
    left join excluded as x
        on d.funnel = x.funnel and d.attempt_id = x.attempt_id
    qualify row_number() over (
        partition by d.entry_date, d.funnel, d.site, d.unit_id
        order by
            d.step_number desc, x.attempt_id is not null asc, d.entered_at asc,
            d.position asc, d.event_id asc, d.session_id asc, d.event_number asc
    ) = 1
),

-- An excluded attempt is not final while other attempts can follow: one without exclusion would
-- replace it.
entries as (
    select
        d.entry_date,
        d.funnel,
        e.site,
        d.session_id,
        e.visitor_id,
        e.breakdown,
        d.entered_at,
        e.event_id as entry_event_id,
        d.step_number as step_reached,
        d.reached_at as last_step_at,
        d.next_action,
        d.step_number = f.step_count as is_converted,
        d.is_excluded,
        (d.step_number = f.step_count and not d.is_excluded)
        or case
            when f.grain = 'session' then e.is_complete
            else coalesce(d.last_window_ends_at < y.observed_until, false)
        end as is_window_closed,
        e.is_bot
    from decided as d
    inner join funnels as f
        on d.funnel = f.funnel
    inner join days as y
        on d.entry_date = y.event_date
    inner join funnel_events as e
        on
            d.funnel = e.funnel and d.session_id = e.session_id and d.event_number = e.event_number
            and e.step_number = 1
)

select
    entry_date,
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
