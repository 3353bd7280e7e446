-- One row is a session of a changed visitor on a frozen day that is not erased, with the columns
-- that visitor_states reads. An older version did not number sessions; it had them in the order of
-- their times.
select
    session_date,
    site,
    visitor_id,
    case
        when not coalesce((site, user_id) in (select (site, id) from erased_users), false)
            then user_id
    end as user_id,
    session_id,
    coalesce(
        day_session_number,
        row_number() over (
            partition by session_date, site, visitor_id order by started_at, session_id
        )
    ) as day_session_number,
    channel,
    utm_campaign,
    started_at,
    ended_at,
    is_bot
from frozen_sessions
where
    (site, visitor_id) in (select (site, visitor_id) from changed_visitors)
    and session_id not in (select id from erased_sessions)
