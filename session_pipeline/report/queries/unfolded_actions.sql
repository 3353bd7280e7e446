-- One row is a folder with at least 100 pages in the week. If their names are ids, a rule under
-- [actions] in the settings can fold them into one action.
with pages as (
    select distinct
        action,
        regexp_extract(action, '^/([^?]*/)?', 0) as folder
    from action_friction
    where session_date between $first_day and $last_day and starts_with(action, '/')
)

select
    folder,
    count(*) as action_count,
    min(action) as first_action,
    max(action) as last_action
from pages
group by folder
having count(*) >= $many_pages_of_folder
order by action_count desc, folder asc
limit $shown_unfolded
