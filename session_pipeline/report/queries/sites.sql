-- One row is a site in the week.
select
    s.site,
    count(*) filter (where not s.is_bot) as session_count,
    count(distinct s.visitor_id) filter (where not s.is_bot) as visitor_count,
    count(*) filter (where not s.is_bot and o.is_converted) as converted_count,
    count(*) filter (where not s.is_bot and o.is_converted) / nullif(count(*) filter (where not s.is_bot), 0)
        as conversion_rate,
    count(*) filter (where not s.is_bot and o.outcome = 'bounce') / nullif(count(*) filter (where not s.is_bot), 0)
        as bounce_rate,
    count(*) filter (where s.is_bot) as bot_session_count
from sessions as s
inner join session_outcomes as o
    on s.session_id = o.session_id and s.session_date = o.session_date
where s.session_date between $first_day and $last_day
group by s.site
order by session_count desc, s.site asc
