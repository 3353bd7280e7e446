-- One row is one of some event names that a source has on the days. If it has other events only,
-- there is one row without a name; if it has no events, there is no row.
select distinct case when event_name in $names then event_name end as event_name
from events
where
    event_date between $first_day and $last_day
    and event_date in $days
    and source = $source
order by event_name
