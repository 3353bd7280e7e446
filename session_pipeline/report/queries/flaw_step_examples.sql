-- One row is a visit of the days of a change that was at the action and did not go on: it did not
-- do the next action, before or afterwards, and did not convert. It can have done other things
-- instead, such as see an error. The latest visits come first.
with visits as (
    select session_id
    from session_actions
    where session_date between $first_day and $last_day and site = $site and not is_bot
    group by session_id
    having
        count(*) filter (where action = $action) > 0
        and count(*) filter (where action = $next_action) = 0
)

select f.session_id
from session_facts as f
inner join visits as v
    on f.session_id = v.session_id
left join session_dimensions as d
    on
        f.session_date = d.session_date
        and f.session_id = d.session_id
        and d.dimension = $dimension
where
    f.session_date between $first_day and $last_day
    and not f.is_converted
    and case $dimension
        when 'all' then $dimension_value
        when 'channel' then coalesce(f.channel, '(none)')
        when 'device' then coalesce(f.device, '(none)')
        when 'browser' then coalesce(f.browser, '(none)')
        when 'os' then coalesce(f.os, '(none)')
        when 'landing_action' then coalesce(f.landing_action, '(none)')
        when 'utm_source' then coalesce(f.utm_source, '(none)')
        when 'utm_medium' then coalesce(f.utm_medium, '(none)')
        when 'utm_campaign' then coalesce(f.utm_campaign, '(none)')
        else coalesce(d.dimension_value, '(none)')
    end = $dimension_value
order by f.session_date desc, f.session_id asc
limit $examples
