-- One row is an action that is not a page, with its visits in the last four weeks; the most
-- frequent ones. If no visit converted, one of them can be a conversion under another name. Of each
-- day, the 200 most visited actions count.
select
    action,
    cast(sum(session_count) as bigint) as session_count
from action_visits
where
    session_date between $trend_first_day and $last_day
    and dimension = 'all'
    and not starts_with(action, '/')
    and action != 'page_view'
group by action
order by session_count desc, action asc
limit $shown_possible_conversions
