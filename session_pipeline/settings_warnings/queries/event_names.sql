-- One row is an event name of a source on the days, the most frequent first.
select event_name
from events
where
    event_date between $first_day and $last_day
    and event_date in $days
    and source = $source
group by event_name
order by count(*) desc, event_name
limit $most_names
