-- One row is a day of a site and an outcome that occurred.
select
    o.site,
    o.outcome,
    count(*) filter (where not s.is_bot) as session_count,
    count(distinct case when not s.is_bot then s.visitor_id end) as visitor_count,
    sum(o.value) filter (where not s.is_bot) as value,
    count(*) filter (where s.is_bot) as bot_session_count
from session_outcomes as o
inner join sessions as s
    on o.session_id = s.session_id
group by o.site, o.outcome
