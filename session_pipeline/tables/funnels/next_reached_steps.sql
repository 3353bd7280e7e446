-- One row is an attempt and a step it reached: all rows of reached_steps, and the required step
-- $step_number for the attempts that reach it. session_id, event_number, position and event_id are
-- those of the event that entered the funnel. The next step is the first event that meets it: at
-- the same time or later, depending on ties and min_seconds, and none already used at that time.
with attempts as (
    select
        r.entry_date,
        r.funnel,
        r.site,
        r.unit_id,
        r.attempt_id,
        r.entered_at,
        r.window_ends_at,
        r.session_id,
        r.event_number,
        r.position,
        r.event_id,
        r.entry_step,
        r.reached_at,
        r.used_at_once,
        r.stops,
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
        c.stops,
        concat_ws(
            '', a.used_at_once, '|', c.session_id, ':', cast(c.event_number as varchar), '|'
        ) as used_at_once
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

advanced as (
    select
        a.entry_date,
        a.funnel,
        a.site,
        a.unit_id,
        a.attempt_id,
        a.entered_at,
        a.window_ends_at,
        a.session_id,
        a.event_number,
        a.position,
        a.event_id,
        a.entry_step,
        a.step_ends_at,
        a.stops as stops_before,
        case when s.attempt_id is not null then s.event_time else l.event.event_time end
            as reached_at,
        case when s.attempt_id is not null then s.session_id else l.event.session_id end
            as step_session_id,
        case when s.attempt_id is not null then s.event_number else l.event.event_number end
            as step_event_number,
        case
            when s.attempt_id is not null then s.used_at_once
            else
                concat_ws(
                    '', '|', l.event.session_id, ':', cast(l.event.event_number as varchar), '|'
                )
        end as used_at_once,
        case when s.attempt_id is not null then s.stops else l.event.stops end as stops
    from attempts as a
    left join at_the_same_time as s
        on a.funnel = s.funnel and a.attempt_id = s.attempt_id
    left join with_later as l
        on a.funnel = l.funnel and a.attempt_id = l.attempt_id
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
    reached_at,
    step_session_id,
    step_event_number,
    used_at_once,
    stops
from advanced
where
    reached_at is not null
    and (window_ends_at is null or reached_at <= window_ends_at)
    and (step_ends_at is null or reached_at <= step_ends_at)
    and (stops_before.stop_place is null or stops.place < stops_before.stop_place)
    and (
        stops_before.other_event_place is null
        or stops.event_place < stops_before.other_event_place
    )
