-- One row is a day, with the number of its distinct actions.
select
    event_date,
    count(distinct action) as action_count
from action_labels
group by event_date
order by event_date
