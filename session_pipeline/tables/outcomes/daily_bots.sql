-- One row is a day of a site and a reason why its sessions are those of bots, or '(people)'.
-- The sum of all rows is the total with bots.
select
    session_date,
    site,
    coalesce(bot_reason, '(people)') as bot_reason,
    count(*) as session_count,
    count(distinct visitor_id) as visitor_count,
    sum(page_view_count) as page_view_count,
    sum(event_count) as event_count
from sessions
group by session_date, site, coalesce(bot_reason, '(people)')
