-- One row is a day and its number of events.
select
    event_date,
    count(*) as event_count
from events
where
    event_date between $first_day and $last_day
    and event_date in $days
group by event_date
