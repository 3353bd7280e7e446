-- One row is an attempt and a step it reached: all rows of reached_steps, and the optional step
-- $step_number of attempts that reached the required step before it. An attempt takes it with the
-- first event that meets it between the required steps before and after it, whichever other
-- optional steps it took. With one event per step, this is the first that no other step uses.
-- session_id, event_number, position and event_id are those of the event that entered the funnel.
with attempts as (
    select
        r.*,
        r.reached_at + cast(q.min_seconds as integer) * interval 1 second as searched_from,
        r.reached_at + cast(q.window_seconds as integer) * interval 1 second as step_ends_at,
        q.takes_ties,
        q.is_one_event_per_step,
        n.reached_at as next_reached_at,
        r.reached_at + cast(o.window_seconds as integer) * interval 1 second as next_ends_at
    from reached_steps as r
    inner join funnel_step_rules as q
        on r.funnel = q.funnel and r.step_number = q.from_step
    inner join funnel_step_rules as o
        on q.funnel = o.funnel and q.next_required_step = o.step_number
    left join reached_steps as n
        on
            r.funnel = n.funnel and r.attempt_id = n.attempt_id
            and q.next_required_step = n.step_number
    where q.step_number = $step_number and q.is_optional
),

candidates as (
    select
        e.funnel,
        e.site,
        e.unit_id,
        e.event_time,
        e.position,
        e.event_id,
        e.session_id,
        e.event_number,
        e.stops,
        row_number() over (
            partition by e.funnel, e.site, e.unit_id
            order by e.event_time, e.position, e.event_id, e.session_id, e.event_number
        ) as candidate_number
    from step_events as e
    inner join funnel_step_rules as q
        on e.funnel = q.funnel and e.step_number = q.step_number
    where e.step_number = $step_number and q.is_optional
),

-- The window below orders by descending time, so each attempt sees the next event. At equal times,
-- turn decides: an attempt sees events of its time (turn 2) or only later ones (turn 0).
stream as (
    select
        funnel,
        site,
        unit_id,
        searched_from as at_time,
        case when takes_ties or searched_from > reached_at then 2 else 0 end as turn,
        attempt_id,
        cast(null as bigint) as candidate_number
    from attempts
    union all
    select
        funnel,
        site,
        unit_id,
        event_time as at_time,
        1 as turn,
        cast(null as varchar) as attempt_id,
        candidate_number
    from candidates
),

with_first as (
    select
        funnel,
        site,
        unit_id,
        attempt_id,
        last_value(candidate_number ignore nulls) over (
            partition by funnel, site, unit_id
            order by at_time desc, turn asc, attempt_id desc, candidate_number desc
            rows between unbounded preceding and current row
        ) as first_number
    from stream
),

-- Each other step of the funnel can use one event, so one of as many events as steps is free.
-- The group keeps this join before the one with candidates. A join of attempts and candidates
-- without the number has a row for each pair of them: too many if one visitor has many events.
wanted as (
    select
        w.funnel,
        w.site,
        w.unit_id,
        w.attempt_id,
        o.is_one_event_per_step,
        w.first_number + o.step_number - 1 as candidate_number
    from with_first as w
    inner join funnel_step_rules as o
        on w.funnel = o.funnel and (o.step_number = 1 or o.is_one_event_per_step)
    where w.attempt_id is not null and w.first_number is not null
    group by
        w.funnel,
        w.site,
        w.unit_id,
        w.attempt_id,
        o.is_one_event_per_step,
        w.first_number,
        o.step_number
),

free as (
    select
        w.funnel,
        w.attempt_id,
        c.event_time,
        c.session_id,
        c.event_number,
        c.stops
    from wanted as w
    inner join candidates as c
        on
            w.funnel = c.funnel and w.site = c.site and w.unit_id = c.unit_id
            and w.candidate_number = c.candidate_number
    left join reached_steps as u
        on
            w.funnel = u.funnel and w.attempt_id = u.attempt_id and w.is_one_event_per_step
            and c.session_id = u.step_session_id and c.event_number = u.step_event_number
    where u.attempt_id is null
    qualify
        row_number() over (partition by w.funnel, w.attempt_id order by c.candidate_number) = 1
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
    cast($step_number as bigint) as step_number,
    cast($step_number as bigint) as met_step,
    true as is_taken,
    c.event_time as reached_at,
    c.session_id as step_session_id,
    c.event_number as step_event_number,
    a.used_at_once,
    a.stops
from attempts as a
inner join free as c
    on a.funnel = c.funnel and a.attempt_id = c.attempt_id
-- An attempt ends with a stop, or when the time for the next required step is over. Neither matters
-- if it reached that step, because it did so before.
where
    (a.window_ends_at is null or c.event_time <= a.window_ends_at)
    and (a.step_ends_at is null or c.event_time <= a.step_ends_at)
    and case
        when a.next_reached_at is null
            then
                (a.stops.stop_place is null or c.stops.place < a.stops.stop_place)
                and (a.next_ends_at is null or c.event_time <= a.next_ends_at)
        when a.takes_ties then c.event_time <= a.next_reached_at
        else c.event_time < a.next_reached_at
    end
