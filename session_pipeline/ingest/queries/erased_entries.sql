-- One row is an erased event with which an attempt at a funnel begins, with its number there.
select
    f.entry_date,
    f.session_id,
    f.entry_event_number as event_number
from frozen_entries as f
inner join erased_events as e
    on
        f.site = e.site
        and f.entry_event_id = e.event_id
        and f.entered_at = e.event_time
        and (f.session_id = e.session_id or f.entry_date <> e.event_date)
