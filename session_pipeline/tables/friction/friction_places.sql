-- One row is an action on a day of a site: the sessions that were there, and those that left there.
select
    session_date,
    site,
    action,
    count(*) as session_count,
    sum(exit_count) as exit_count
from (
    select
        session_date,
        site,
        action,
        session_number,
        count(case when is_exit then 1 end) as exit_count
    from friction_actions
    where not is_bot
    group by session_date, site, action, session_number
) as visited
group by session_date, site, action
