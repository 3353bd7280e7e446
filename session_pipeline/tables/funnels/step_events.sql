-- One row is an event that meets a funnel step or an exclusion, with the unit that an attempt stays
-- within: the session, or the visitor from the entry date on. What stops an attempt after the event
-- is null: stopped_events.sql adds it, for funnels with stops.
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
            other_event_place bigint
        )
    ) as stops
from funnel_events as e
inner join funnels as f
    on e.funnel = f.funnel
