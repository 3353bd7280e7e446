-- One row is an action on a day of a site. A count is null where its signal cannot be observed.
with observable as (
    select
        session_date,
        site,
        bool_or(signal = 'rage_click') as rage_click,
        bool_or(signal = 'u_turn') as u_turn,
        bool_or(signal = 'back_track') as back_track,
        bool_or(signal = 'repeated_search') as repeated_search,
        bool_or(signal = 'repeated_submit') as repeated_submit,
        bool_or(signal = 'error') as error,
        bool_or(signal = 'error_loop') as error_loop,
        bool_or(signal = 'dead_end') as dead_end,
        bool_or(signal = 'abandoned_form') as abandoned_form,
        bool_or(signal = 'long_dwell') as long_dwell,
        bool_or(signal = 'repeat') as repeat,
        bool_or(is_hard_time) as hard_time
    from friction_observable
    group by session_date, site
),

counts as (
    select
        session_date,
        site,
        action,
        count(case when signal = 'rage_click' then 1 end) as rage_click_count,
        count(case when signal = 'u_turn' then 1 end) as u_turn_count,
        count(case when signal = 'back_track' then 1 end) as back_track_count,
        count(case when signal = 'repeated_search' then 1 end) as repeated_search_count,
        count(case when signal = 'repeated_submit' then 1 end) as repeated_submit_count,
        count(case when signal = 'error' then 1 end) as error_count,
        count(case when signal = 'error_loop' then 1 end) as error_loop_count,
        count(case when signal = 'dead_end' then 1 end) as dead_end_count,
        count(case when signal = 'abandoned_form' then 1 end) as abandoned_form_count,
        count(case when signal = 'long_dwell' then 1 end) as long_dwell_count,
        count(case when signal = 'repeat' then 1 end) as repeat_count,
        count(distinct case when is_hard_time then session_id end) as hard_time_count,
        sum(
            case when is_hard_time and signal <> 'error_loop' then microseconds end
        ) as microseconds
    from friction_found
    where not is_bot
    group by session_date, site, action
)

select
    p.session_date,
    p.site,
    p.action,
    p.session_count,
    case when o.hard_time then coalesce(c.hard_time_count, 0) end as hard_time_count,
    cast(case when o.hard_time then coalesce(c.hard_time_count, 0) end as double)
    / nullif(p.session_count, 0) as friction_rate,
    case when o.rage_click then coalesce(c.rage_click_count, 0) end as rage_click_count,
    case when o.u_turn then coalesce(c.u_turn_count, 0) end as u_turn_count,
    case when o.back_track then coalesce(c.back_track_count, 0) end as back_track_count,
    case
        when o.repeated_search then coalesce(c.repeated_search_count, 0)
    end as repeated_search_count,
    case
        when o.repeated_submit then coalesce(c.repeated_submit_count, 0)
    end as repeated_submit_count,
    case when o.error then coalesce(c.error_count, 0) end as error_count,
    case when o.error_loop then coalesce(c.error_loop_count, 0) end as error_loop_count,
    case
        when o.dead_end and p.session_count >= $dead_end_sessions
            then coalesce(c.dead_end_count, 0)
    end as dead_end_count,
    case when o.abandoned_form then coalesce(c.abandoned_form_count, 0) end as abandoned_form_count,
    case when o.long_dwell then coalesce(c.long_dwell_count, 0) end as long_dwell_count,
    case when o.repeat then coalesce(c.repeat_count, 0) end as repeat_count,
    case when o.hard_time then coalesce(c.microseconds, 0) // 1000000 end as seconds_lost
from friction_places as p
left join observable as o
    on p.session_date = o.session_date and p.site = o.site
left join counts as c
    on p.session_date = c.session_date and p.site = c.site and p.action = c.action
