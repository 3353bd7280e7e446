-- One row is a site in the week.
with visits as (
    select
        s.site,
        s.visitor_id,
        s.is_bot,
        not s.is_bot and o.is_converted as _is_converted,
        not s.is_bot and o.outcome = 'bounce' as _is_bounce
    from sessions as s
    inner join session_outcomes as o
        on s.session_id = o.session_id and s.session_date = o.session_date
    where s.session_date between $first_day and $last_day
)

select
    site,
    count(*) filter (where not is_bot) as session_count,
    count(distinct visitor_id) filter (where not is_bot) as visitor_count,
    count(*) filter (where _is_converted) as converted_count,
    count(*) filter (where _is_converted) / nullif(count(*) filter (where not is_bot), 0)
        as conversion_rate,
    count(*) filter (where _is_bounce) / nullif(count(*) filter (where not is_bot), 0)
        as bounce_rate,
    count(*) filter (where is_bot) as bot_session_count
from visits
group by site
order by session_count desc, site asc
