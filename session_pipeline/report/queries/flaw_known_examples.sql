-- One row is an example of a row of counts whose session is still there: it can have expired, or be
-- erased from a frozen day, while counts stay as they are.
select session_id
from sessions
where
    session_date between $first_day and $last_day
    and session_id in (select unnest(string_split($session_ids, ' ')))
