-- One row is a visitor that stays, and that loses sessions or a user id on frozen days.
with changed as (
    select
        site,
        visitor_id
    from frozen_sessions
    where
        session_id in (select id from erased_sessions)
        or coalesce((site, user_id) in (select (site, id) from erased_users), false)
    union
    select
        site,
        visitor_id
    from frozen_states
    where coalesce((site, user_id) in (select (site, id) from erased_users), false)
)

select
    site,
    visitor_id
from changed
where (site, visitor_id) not in (select (site, id) from erased_visitors)
