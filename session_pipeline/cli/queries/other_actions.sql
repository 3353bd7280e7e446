-- One row is an action that is not a page, with its sessions on the days; the most frequent ones.
-- Of each day and site, the 200 most visited actions count.
select
    action,
    sum(session_count) as session_count
from action_visits
where
    session_date in $days
    and dimension = 'all'
    and action not like '/%'
    and action != 'page_view'
group by action
order by session_count desc, action asc
limit $most
