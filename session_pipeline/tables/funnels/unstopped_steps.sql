-- One row is an attempt and a step it reached, without what a funnel with stop_ends = "all" does
-- not count: a stop of the attempt that is deepest at that time ends all attempts of the session,
-- or of the visitor on the day.
with placed_steps as (
    select
        r.entry_date,
        r.funnel,
        r.site,
        r.unit_id,
        r.attempt_id,
        r.step_number,
        f.step_count,
        r.stops.place as _place,
        r.stops.stop_place as _stop_place,
        r.stops.stopped_at as _stopped_at
    from reached_steps as r
    inner join funnels as f
        on r.funnel = f.funnel
    where f.does_stop_all
),

stops as (
    select
        entry_date,
        funnel,
        site,
        unit_id,
        step_number,
        _stop_place,
        _stopped_at
    from placed_steps
    where step_number < step_count
    qualify
        row_number() over (partition by funnel, attempt_id order by step_number desc) = 1
),

stream as (
    select
        entry_date,
        funnel,
        site,
        unit_id,
        _place,
        cast(null as timestamp) as _stopped_at,
        1 as is_step,
        step_number,
        attempt_id
    from placed_steps
    union all
    select
        entry_date,
        funnel,
        site,
        unit_id,
        _stop_place as _place,
        _stopped_at,
        0 as is_step,
        step_number,
        cast(null as varchar) as attempt_id
    from stops
    where _stop_place is not null
),

with_deepest as (
    select
        entry_date,
        funnel,
        site,
        unit_id,
        _place,
        _stopped_at,
        is_step,
        step_number,
        max(case when is_step = 1 then step_number end) over (
            partition by entry_date, funnel, site, unit_id
            order by _place asc, is_step asc, step_number asc, attempt_id asc
            rows between unbounded preceding and current row
        ) as deepest_step
    from stream
),

ends as (
    select
        entry_date,
        funnel,
        site,
        unit_id,
        min(_place) as end_place,
        min(_stopped_at) as ended_at
    from with_deepest
    where is_step = 0 and deepest_step <= step_number
    group by entry_date, funnel, site, unit_id
),

with_end as (
    select
        r.*,
        e.end_place,
        case
            when e.end_place is null then r.stops
            else {
                'place': r.stops.place,
                'stop_place': least(r.stops.stop_place, e.end_place),
                'stopped_at': least(r.stops.stopped_at, e.ended_at)
            }
        end as _stops,
        max(r.stops.place) over (
            partition by r.funnel, r.attempt_id
            order by r.step_number
            rows between unbounded preceding and current row
        ) as last_place
    from reached_steps as r
    left join ends as e
        on
            r.entry_date = e.entry_date and r.funnel = e.funnel
            and r.site = e.site and r.unit_id = e.unit_id
)

-- At equal times a step can have a smaller place than the step before it, so last_place is that of
-- all steps up to it. The stop of an attempt is then its own or the end of all, whichever is first:
-- optional steps and exclusions read it.
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
    met_step,
    is_taken,
    reached_at,
    step_session_id,
    step_event_number,
    used_at_once,
    _stops as stops
from with_end
where end_place is null or last_place < end_place
