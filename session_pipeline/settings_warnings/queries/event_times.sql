-- One row is a time of the events of a source on the days.
select distinct event_time
from events
where
    source = $source
    and event_date between $first_day and $last_day
    and event_date in $days
