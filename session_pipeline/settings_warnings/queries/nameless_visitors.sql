-- One row is a source and a visitor id that tools write if they know none, such as undefined, with
-- enough events.
select
    source,
    visitor_id
from events
where
    event_date between $first_day and $last_day
    and event_date in $days
    and visitor_id in $nameless_ids
group by source, visitor_id
having count(*) >= $fewest_events
order by source, visitor_id
