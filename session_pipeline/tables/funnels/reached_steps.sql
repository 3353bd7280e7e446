-- One row is an attempt and the step of its entry. Each event that meets the first step starts an
-- attempt; with entry any, each event that meets a required step does. The attempts of funnels in
-- mode unordered are in unordered_attempts.sql.
select
    d.event_date as entry_date,
    e.funnel,
    e.site,
    e.unit_id,
    concat_ws(
        '|', e.session_id, cast(e.event_number as varchar), cast(r.entry_step as varchar)
    ) as attempt_id,
    e.event_time as entered_at,
    e.event_time + cast(f.window_seconds as integer) * interval 1 second as window_ends_at,
    e.session_id,
    e.event_number,
    e.position,
    e.event_id,
    r.entry_step,
    r.entry_step as step_number,
    e.step_number as met_step,
    true as is_taken,
    e.event_time as reached_at,
    e.session_id as step_session_id,
    e.event_number as step_event_number,
    concat_ws('', '|', e.session_id, ':', cast(e.event_number as varchar), '|') as used_at_once,
    e.stops
from step_events as e
inner join funnels as f
    on e.funnel = f.funnel
inner join funnel_step_rules as r
    on e.funnel = r.funnel and e.step_number = r.step_number
left join day_parts as p
    on
        cast(e.event_time as date) = p.utc_date
        and e.event_time >= p.day_start
        and e.event_time < p.day_end
inner join days as d
    on case when f.is_within_session then e.session_date else p.event_date end = d.event_date
where r.entry_step is not null
