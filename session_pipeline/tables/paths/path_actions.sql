-- One row is an action in a session without bots. After the last one, the next number is 0.
select
    s.session_number,
    s.group_number,
    a.action_number,
    l.label_number,
    coalesce(n.label_number, 0) as next_label_number,
    a.seconds_to_next,
    a.previous_action is null or a.previous_action <> a.action as is_new
from session_actions as a
inner join path_sessions as s
    on a.session_id = s.session_id
inner join path_labels as l
    on path_label(a.action) = l.label
left join path_labels as n
    on path_label(a.next_action) = n.label
