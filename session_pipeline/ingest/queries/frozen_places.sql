-- One row is an event as a table of a frozen day names it. An event of the next day, on which the
-- session went on, can have another number or session in events: that day can be built again.
with places as (
    select
        session_date,
        session_id,
        event_number,
        event_id,
        occurred_at as event_time
    from frozen_actions
    union all
    select
        session_date,
        session_id,
        event_number,
        event_id,
        event_time
    from frozen_outcome_matches
    union all
    select
        session_date,
        session_id,
        event_number,
        event_id,
        event_time
    from frozen_funnel_matches
    union all
    select
        session_date,
        session_id,
        event_number,
        event_id,
        event_time
    from frozen_funnel_events
    union all
    select
        session_date,
        session_id,
        null as event_number,
        first_event_id,
        first_at
    from frozen_friction
)

select
    p.session_date,
    s.site,
    p.session_id,
    p.event_number,
    p.event_id,
    p.event_time
from places as p
inner join frozen_session_sites as s
    on p.session_id = s.session_id
