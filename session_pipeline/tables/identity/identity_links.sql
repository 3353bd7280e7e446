-- One row is a visitor of a day, with a user id and a former id that their events carry.
-- Visitors without both are rows, too: a link that is found on another day can be about them.
select
    d.event_date,
    e.site,
    e.visitor_id,
    coalesce(e.user_id, '') as carried_user_id,
    e.previous_id,
    min(e.event_time) as first_seen_at,
    max(e.event_time) as last_seen_at,
    count(*) as event_count
from linking_events as e
inner join day_parts as d
    on
        e.utc_date = d.utc_date
        and e.event_time >= d.day_start
        and e.event_time < d.day_end
group by d.event_date, e.site, e.visitor_id, coalesce(e.user_id, ''), e.previous_id
