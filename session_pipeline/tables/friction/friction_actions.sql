-- One row is an action in a session, with what the signals need of each action. action is where it
-- happened, as in friction_events.
-- A step is what visitors go from and to: a page view; in a session without page views, any action.
-- An action is between equal ones if the action before it is the same as the action after it.
select
    s.session_date,
    s.site,
    s.session_number,
    s.is_bot,
    a.action_number,
    a.event_id,
    a.occurred_at,
    coalesce(e.action, a.action) as action,
    a.event_name = 'page_view' or s.is_pageless as is_step,
    a.action = a.previous_action as is_repeat,
    a.previous_action = a.next_action and a.action <> a.next_action as is_between_equal,
    a.is_exit,
    cast(floor(a.seconds_to_next * 1000000 + 0.5) as bigint) as microseconds_to_next
from session_actions as a
inner join friction_sessions as s
    on a.session_id = s.session_id
left join friction_events as e
    on s.session_number = e.session_number and a.action_number = e.action_number
