-- One row is a session and a text of letters, one for each of its actions, in order.
select
    text_number,
    session_id,
    min(occurred_at) as started_at,
    string_agg(letter, '' order by place) as letters
from action_letters
group by text_number, session_id
