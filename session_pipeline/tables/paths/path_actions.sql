-- One row is an action in a session without bots.
select
    s.session_date,
    s.session_number,
    s.site,
    s.outcome,
    s.is_converted,
    a.action_number,
    path_label(a.action) as action,
    path_label(a.next_action) as next_action,
    a.seconds_to_next,
    a.previous_action is null or a.previous_action <> a.action as is_new
from session_actions as a
inner join path_sessions as s
    on a.session_id = s.session_id
