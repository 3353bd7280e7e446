-- One row is a day, with the number of its distinct actions, and of those that are pages.
select
    event_date,
    count(distinct action) as action_count,
    count(distinct action) filter (where starts_with(action, '/')) as page_count
from action_labels
group by event_date
order by event_date
