-- One row is an attempt and a step: all rows of reached_steps, and step $step_number of attempts
-- that reached the step before it. An attempt takes the step with the first event that meets it: at
-- the same time or later, depending on ties and min_seconds, and none already used at that time.
-- The model runs for all required steps first. Then it runs with $is_optional for optional steps,
-- which an attempt takes before the next required step, or skips. session_id, event_number,
-- position and event_id are those of the event that entered the funnel.
with attempts as (
    select
        r.*,
        greatest(
            r.reached_at + cast(q.min_seconds as integer) * interval 1 second,
            r.entered_at + cast(q.min_seconds_in_total as integer) * interval 1 second
        ) as searched_from,
        r.reached_at + cast(q.window_seconds as integer) * interval 1 second as step_ends_at,
        q.takes_ties,
        q.is_one_event_per_step,
        n.reached_at as next_reached_at,
        n.step_session_id as next_session_id,
        n.step_event_number as next_event_number
    from reached_steps as r
    inner join funnel_step_rules as q
        on r.funnel = q.funnel and r.step_number = q.from_step
    left join reached_steps as n
        on
            $is_optional and r.funnel = n.funnel and r.attempt_id = n.attempt_id
            and q.next_required_step = n.step_number
    where q.step_number = $step_number and q.is_optional = $is_optional
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
        and (
            a.next_session_id is null
            or a.next_session_id <> c.session_id
            or a.next_event_number <> c.event_number
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

-- A stop does not matter if the attempt reached the next required step, because it was before the
-- stop.
decided as (
    select
        f.*,
        coalesce(
            f.found_at is not null
            and (f.window_ends_at is null or f.found_at <= f.window_ends_at)
            and (f.step_ends_at is null or f.found_at <= f.step_ends_at)
            and case
                when f.next_reached_at is null
                    then
                        (f.stops.stop_place is null or f.found_stops.place < f.stops.stop_place)
                        and (
                            f.stops.other_event_place is null
                            or f.found_stops.event_place < f.stops.other_event_place
                        )
                when not f.is_one_event_per_step then f.found_at <= f.next_reached_at
                when not f.takes_ties then f.found_at < f.next_reached_at
                else
                    f.found_at <= f.next_reached_at
                    and (
                        f.next_session_id <> f.found_session_id
                        or f.next_event_number <> f.found_event_number
                    )
            end,
            false
        ) as does_take
    from found as f
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
    does_take as is_taken,
    case when does_take then found_at else reached_at end as reached_at,
    case when does_take then found_session_id else step_session_id end as step_session_id,
    case when does_take then found_event_number else step_event_number end as step_event_number,
    case
        when not does_take then used_at_once
        else
            concat_ws(
                '', case when found_at = reached_at then used_at_once end,
                '|', found_session_id, ':', cast(found_event_number as varchar), '|'
            )
    end as used_at_once,
    case when $is_optional then stops else found_stops end as stops
from decided
where does_take or $is_optional
