-- One row is an attempt that counts. With grain attempt, each attempt does. Otherwise only the
-- deepest of all attempts of a unit (session, or visitor on the day) does. Among equally deep
-- attempts, one that was not excluded goes before an excluded one, then the earliest goes first.
-- open_until is the end of the last window in which an attempt can change or replace the row.
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
        entry_step,
        step_number,
        reached_at
    from reached_steps
    where is_taken
    qualify row_number() over (partition by funnel, attempt_id order by step_number desc) = 1
),

-- One row is an attempt: when an event stopped it, and when the time for its next step was over.
ends as (
    select
        r.funnel,
        r.attempt_id,
        r.stops.stopped_at,
        r.reached_at + cast(n.window_seconds as integer) * interval 1 second as step_ends_at
    from reached_steps as r
    inner join funnel_step_rules as q
        on r.funnel = q.funnel and r.step_number = q.step_number
    left join funnel_step_rules as n
        on q.funnel = n.funnel and q.next_required_step = n.step_number
    where r.is_taken and not q.is_optional and not q.is_unordered
    qualify
        row_number() over (partition by r.funnel, r.attempt_id order by r.step_number desc) = 1
),

-- One row is an attempt and an exclusion whose after_step it reached. The exclusion applies before
-- guarded_before and up to guarded_until: until before_step, otherwise until the attempt ends.
guarded_attempts as (
    select
        a.funnel,
        x.step_number as exclusion_number,
        a.site,
        a.unit_id,
        a.attempt_id,
        a.reached_at as guarded_from,
        coalesce(b.reached_at, e.stopped_at) as guarded_before,
        case
            when e.step_ends_at is null or a.window_ends_at < e.step_ends_at then a.window_ends_at
            else e.step_ends_at
        end as guarded_until
    from reached_steps as a
    inner join exclusion_rules as x
        on a.funnel = x.funnel and a.step_number = x.after_step
    left join reached_steps as b
        on a.funnel = b.funnel and a.attempt_id = b.attempt_id and x.before_step = b.step_number
    left join ends as e
        on a.funnel = e.funnel and a.attempt_id = e.attempt_id
),

exclusion_events as (
    select
        funnel,
        step_number as exclusion_number,
        site,
        unit_id,
        event_time
    from step_events
    where step_number < 0
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
        guarded_until
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
        cast(null as timestamp) as guarded_until
    from exclusion_events
),

next_exclusions as (
    select
        funnel,
        exclusion_number,
        attempt_id,
        guarded_before,
        guarded_until,
        last_value(event_time ignore nulls) over (
            partition by funnel, exclusion_number, site, unit_id
            order by at_time desc, attempt_id desc nulls last
            rows between unbounded preceding and current row
        ) as excluded_at
    from stream
),

-- The exclusion that applied first.
excluded as (
    select
        funnel,
        attempt_id,
        -exclusion_number as exclusion_number
    from next_exclusions
    where
        attempt_id is not null
        and excluded_at is not null
        and coalesce(excluded_at < guarded_before, true)
        and coalesce(excluded_at <= guarded_until, true)
    qualify
        row_number() over (
            partition by funnel, attempt_id order by excluded_at asc, exclusion_number desc
        ) = 1
),

-- In mode unordered, an excluded attempt keeps only its first step: without an order, no step is
-- before or after the exclusion.
attempts as (
    select
        d.entry_date,
        d.funnel,
        d.site,
        case when f.is_each_attempt then d.attempt_id else d.unit_id end as unit_id,
        d.unit_id as visiting_id,
        d.attempt_id,
        d.entered_at,
        d.window_ends_at,
        d.session_id,
        d.event_number,
        d.position,
        d.event_id,
        d.entry_step,
        case
            when f.is_unordered and x.attempt_id is not null then d.entry_step
            else d.step_number
        end as step_number,
        case
            when f.is_unordered and x.attempt_id is not null then d.entered_at
            else d.reached_at
        end as reached_at,
        x.exclusion_number,
        d.step_number = f.step_count and x.attempt_id is null as is_clean_conversion
    from deepest_steps as d
    inner join funnels as f
        on d.funnel = f.funnel
    left join excluded as x
        on d.funnel = x.funnel and d.attempt_id = x.attempt_id
),

-- A clean conversion can be replaced only by an attempt before it. Only one that entered at an
-- earlier step can convert later.
ranked as (
    select
        *,
        row_number() over (
            partition by entry_date, funnel, site, visiting_id
            order by entered_at, position, event_id, session_id, event_number, entry_step
        ) as attempt_number,
        row_number() over deepest_first as attempt_rank,
        first_value(case when is_clean_conversion then reached_at end) over deepest_first
            as converted_at,
        case
            when not is_clean_conversion
                then max(window_ends_at) over (partition by entry_date, funnel, site, unit_id)
            when
                min(case when exclusion_number is null then entry_step end) over earlier
                < entry_step
                then max(case when exclusion_number is null then window_ends_at end) over earlier
        end as open_until
    from attempts
    window
        deepest_first as (
            partition by entry_date, funnel, site, unit_id
            order by
                step_number desc, exclusion_number is not null asc, entered_at asc,
                position asc, event_id asc, session_id asc, event_number asc, entry_step asc
        ),
        earlier as (
            partition by entry_date, funnel, site, visiting_id
            order by entered_at, position, event_id, session_id, event_number, entry_step
            rows between unbounded preceding and 1 preceding
        )
),

-- Attempts after the conversion are not counted, so that a converted row is final.
counted as (
    select
        *,
        count(case when converted_at is null or entered_at <= converted_at then 1 end) over (
            partition by entry_date, funnel, site, unit_id
        ) as attempt_count
    from ranked
)

select
    entry_date,
    funnel,
    site,
    attempt_id,
    session_id,
    event_number,
    entry_step,
    entered_at,
    step_number as step_reached,
    reached_at as last_step_at,
    exclusion_number,
    open_until,
    attempt_number,
    attempt_count
from counted
where attempt_rank = 1
