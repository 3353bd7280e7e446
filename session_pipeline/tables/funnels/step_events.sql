-- One row is an event that meets a funnel step or an exclusion, with the unit that an attempt stays
-- within: the session, or the visitor from the entry date on.
-- stops is what stops an attempt that took the step with this event. stopped_events.sql fills it in
-- for funnels with stops; otherwise its fields are null:
--   place       the position of this row in its unit, from 1: with one event per step that of its
--               time, otherwise ordered by time, then by step, as ties let an attempt advance
--   stop_place  the first position at which the attempt cannot take a step, because an event
--               stopped it before
--   stopped_at  the time of the event that stops it; an attempt that goes on is not stopped
select
    e.funnel,
    e.site,
    case when f.is_within_session then e.session_id else e.visitor_id end as unit_id,
    e.step_number,
    e.session_date,
    e.session_id,
    e.event_number,
    e.event_time,
    e.position,
    e.event_id,
    cast(
        null as struct(
            place bigint,
            stop_place bigint,
            stopped_at timestamp
        )
    ) as stops
from funnel_events as e
inner join funnels as f
    on e.funnel = f.funnel
