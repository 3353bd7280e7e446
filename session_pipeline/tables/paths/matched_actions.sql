-- One row is an action of a session that a pattern may match. They are few, so joins are cheap.
with matched_sessions as (
    select session_id
    from untimed_matches
    union
    select session_id
    from part_matches
)

select
    l.text_number,
    l.session_date,
    l.session_id,
    l.site,
    l.place,
    l.action_number,
    l.event_id,
    l.occurred_at,
    l.is_bot
from action_letters as l
inner join matched_sessions as m
    on l.session_id = m.session_id
