-- One row is a distinct user agent string of the day. Python classifies it.
select distinct user_agent
from raw_events
where
    user_agent is not null
    and event_time >= $day_start
    and event_time < $day_end
