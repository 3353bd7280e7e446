-- One row is a visitor (in sessionized.sql, a series) whose session may continue after the end of
-- the day: the gap from the visitor's last event to the end of the day is not too long.
select
    s.event_date,
    s.site,
    s.series_id as visitor_id,
    s.event_time,
    s.session_id,
    s.session_date,
    s.run_started_at,
    s.event_number,
    s.known_user_id,
    s.known_client_session_id,
    s.known_campaign
from sessionized as s
inner join days as d
    on s.event_date = d.event_date
where
    date_diff('microsecond', s.event_time, d.day_end)
    < cast(
        case
            when s.is_client_session
                then greatest($inactivity_minutes, $least_client_session_minutes)
            else $inactivity_minutes
        end as bigint
    ) * 60000000 + $border_microseconds
qualify
    row_number() over (partition by s.event_date, s.site, s.series_id order by s.place desc) = 1
