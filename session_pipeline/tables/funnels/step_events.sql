-- One row is an event that meets a funnel step or an exclusion, with the unit that an attempt stays
-- within: the session, or the visitor from the entry date on.
-- stops is what stops an attempt that took the step with this event. stopped_events.sql fills it in
-- for funnels with stops; otherwise its fields are null. They are positions in the unit, from 1:
--   place              of this row; ordered by time, then by step, as ties let an attempt advance
--   event_place        of the event; ordered by time, position and id
--   stop_place         the place of the next row that stops the attempt
--   stop_event_place   the event_place of that row
--   other_event_place  the event_place after the next time with an event that meets no step; such
--                      an event stops attempts of strict funnels with one event per step
--   stopped_at         the time of the first of these two; an attempt that goes on is not stopped
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
            event_place bigint,
            stop_place bigint,
            stop_event_place bigint,
            other_event_place bigint,
            stopped_at timestamp
        )
    ) as stops
from funnel_events as e
inner join funnels as f
    on e.funnel = f.funnel
