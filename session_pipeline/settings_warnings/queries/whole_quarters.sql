-- One row is a source whose events on the days are all at a quarter of an hour, as midnight is
-- in every time zone.
select source
from events
where
    event_date between $first_day and $last_day
    and event_date in $days
group by source
having
    count(*) >= $fewest_events
    and bool_and(extract(minute from event_time) % 15 = 0)
    and bool_and(extract(second from event_time) = 0)
order by source
