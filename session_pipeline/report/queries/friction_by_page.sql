-- One row is an action of a site at which visitors had a hard time in the week, most visits first.
-- Counts of signals are visits.
select
    site,
    action,
    cast(sum(session_count) as bigint) as session_count,
    cast(sum(hard_time_count) as bigint) as hard_time_count,
    sum(hard_time_count)
    / nullif(sum(session_count) filter (where hard_time_count is not null), 0) as friction_rate,
    cast(sum(error_count) as bigint) as error_count,
    cast(sum(error_loop_count) as bigint) as error_loop_count,
    cast(sum(u_turn_count) as bigint) as u_turn_count,
    cast(sum(repeated_search_count) as bigint) as repeated_search_count,
    cast(sum(rage_click_count) as bigint) as rage_click_count,
    cast(sum(abandoned_form_count) as bigint) as abandoned_form_count,
    cast(sum(seconds_lost) as bigint) as seconds_lost
from action_friction
where session_date between $first_day and $last_day
group by site, action
having sum(hard_time_count) > 0
order by hard_time_count desc, action asc, site asc
limit 12
