-- One row is an attempt and its first step. Each event that meets step 1 starts an attempt.
-- A unit is what an attempt stays within: the session, or the visitor from the entry date on.
select
    d.event_date as entry_date,
    f.funnel,
    e.site,
    case when f.grain = 'session' then e.session_id else e.visitor_id end as unit_id,
    concat_ws('|', e.session_id, cast(e.event_number as varchar)) as attempt_id,
    e.event_time as entered_at,
    e.event_time + cast(f.window_seconds as integer) * interval 1 second as window_ends_at,
    e.session_id,
    e.event_number,
    e.position,
    e.event_id,
    e.step_number,
    e.event_time as reached_at,
    concat_ws('', '|', e.session_id, ':', cast(e.event_number as varchar), '|') as used_at_once,
    e.next_action
from funnel_events as e
inner join funnels as f
    on e.funnel = f.funnel
left join day_parts as p
    on
        cast(e.event_time as date) = p.utc_date
        and e.event_time >= p.day_start
        and e.event_time < p.day_end
inner join days as d
    on case when f.grain = 'session' then e.session_date else p.event_date end = d.event_date
where e.step_number = 1
