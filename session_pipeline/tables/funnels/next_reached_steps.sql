-- One row is an attempt and a step: all rows of reached_steps, and the required step $step_number
-- of attempts that reached the required step before it. An attempt takes the step with the first
-- event that meets it: at the same time or later, depending on ties and min_seconds, and none
-- already used at that time. session_id, event_number, position and event_id are those of the event
-- that entered the funnel. Optional steps are in optional_steps.sql.
with attempts as (
    select
        r.*,
        greatest(
            r.reached_at + cast(q.min_seconds as integer) * interval 1 second,
            r.entered_at + cast(q.min_seconds_in_total as integer) * interval 1 second
        ) as searched_from,
        r.reached_at + cast(q.window_seconds as integer) * interval 1 second as step_ends_at,
        q.takes_ties,
        q.is_one_event_per_step
    from reached_steps as r
    inner join funnel_step_rules as q
        on r.funnel = q.funnel and r.step_number = q.from_step
    where q.step_number = $step_number and not q.is_optional
),

candidates as (
    select
        funnel,
        site,
        unit_id,
        event_time,
        session_id,
        event_number,
        position,
        event_id,
        stops
    from step_events
    where step_number = $step_number
),

at_the_same_time as (
    select
        a.attempt_id,
        a.funnel,
        c.event_time,
        c.session_id,
        c.event_number,
        c.stops
    from attempts as a
    inner join candidates as c
        on
            a.funnel = c.funnel and a.site = c.site and a.unit_id = c.unit_id
            and a.searched_from = c.event_time
    where
        a.searched_from = a.reached_at
        and a.takes_ties
        and a.is_one_event_per_step
        and not contains(
            a.used_at_once,
            concat_ws('', '|', c.session_id, ':', cast(c.event_number as varchar), '|')
        )
    qualify
        row_number() over (
            partition by a.funnel, a.attempt_id
            order by c.position, c.event_id, c.session_id, c.event_number
        ) = 1
),

-- The window below orders by descending time, so each attempt sees the next event. At equal times,
-- turn decides: an attempt sees events of its time (turn 2) or only later ones (turn 0).
stream as (
    select
        funnel,
        site,
        unit_id,
        searched_from as at_time,
        case
            when searched_from > reached_at or (takes_ties and not is_one_event_per_step) then 2
            else 0
        end as turn,
        attempt_id,
        cast(null as bigint) as position,
        cast(null as varchar) as event_id,
        cast(null as varchar) as session_id,
        cast(null as bigint) as event_number,
        null as stops
    from attempts
    union all
    select
        funnel,
        site,
        unit_id,
        event_time as at_time,
        1 as turn,
        cast(null as varchar) as attempt_id,
        position,
        event_id,
        session_id,
        event_number,
        stops
    from candidates
),

with_later as (
    select
        funnel,
        attempt_id,
        last_value(
            case
                when turn = 1
                    then {
                        'event_time': at_time,
                        'session_id': session_id,
                        'event_number': event_number,
                        'stops': stops
                    }
            end ignore nulls
        ) over latest_first as event
    from stream
    window latest_first as (
        partition by funnel, site, unit_id
        order by
            at_time desc, turn asc, attempt_id desc,
            position desc, event_id desc, session_id desc, event_number desc
        rows between unbounded preceding and current row
    )
),

found as (
    select
        a.*,
        case when s.attempt_id is not null then s.event_time else l.event.event_time end
            as found_at,
        case when s.attempt_id is not null then s.session_id else l.event.session_id end
            as found_session_id,
        case when s.attempt_id is not null then s.event_number else l.event.event_number end
            as found_event_number,
        case when s.attempt_id is not null then s.stops else l.event.stops end as found_stops
    from attempts as a
    left join at_the_same_time as s
        on a.funnel = s.funnel and a.attempt_id = s.attempt_id
    left join with_later as l
        on a.funnel = l.funnel and a.attempt_id = l.attempt_id
),

taken as (
    select f.*
    from found as f
    where
        f.found_at is not null
        and (f.window_ends_at is null or f.found_at <= f.window_ends_at)
        and (f.step_ends_at is null or f.found_at <= f.step_ends_at)
        and (f.stops.stop_place is null or f.found_stops.place < f.stops.stop_place)
)

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
    stops
from reached_steps
union all
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
    cast($step_number as bigint) as step_number,
    cast($step_number as bigint) as met_step,
    true as is_taken,
    found_at as reached_at,
    found_session_id as step_session_id,
    found_event_number as step_event_number,
    concat_ws(
        '', case when found_at = reached_at then used_at_once end,
        '|', found_session_id, ':', cast(found_event_number as varchar), '|'
    ) as used_at_once,
    found_stops as stops
from taken
