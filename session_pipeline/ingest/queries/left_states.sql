-- One row is a changed visitor on a frozen day whose sessions have expired. What an erased user did
-- on such a day is not known any more, so a row that names the user counts as the user's own.
select * -- noqa: AM04
from frozen_states
where
    block_days = 1
    and (site, visitor_id) in (select (site, visitor_id) from changed_visitors)
    and session_date not in (select session_date from days_with_sessions)
    and not coalesce((site, user_id) in (select (site, id) from erased_users), false)
