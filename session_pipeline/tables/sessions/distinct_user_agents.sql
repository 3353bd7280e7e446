-- One row is a distinct user agent string of a day. Python classifies it.
select distinct
    d.event_date,
    a.user_agent
from raw_events as a
inner join day_parts as d
    on
        a.utc_date = d.utc_date
        and a.event_time >= d.day_start
        and a.event_time < d.day_end
where a.user_agent is not null
