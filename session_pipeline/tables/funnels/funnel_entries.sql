-- One row is an attempt at a funnel: what its first and its last step have.
with entries as (
    select
        s.entry_date,
        s.funnel,
        s.attempt_number,
        s.attempt_count,
        s.session_id,
        s.event_number,
        s.entry_step,
        s.entered_at,
        s.step_reached,
        s.last_step_at,
        s.exclusion_number,
        s.open_until,
        s.step_reached = f.step_count as is_converted,
        f.is_within_session,
        f.breakdown_step,
        min(s.site) as site,
        max(case when s.step_number = s.entry_step then s.visitor_id end) as visitor_id,
        max(case when s.step_number = s.entry_step then s.event_id end) as entry_event_id,
        bool_or(s.step_number = s.entry_step and s.is_bot) as is_bot,
        bool_and(s.is_complete) as is_complete,
        max(
            case
                when
                    s.step_number = case f.breakdown_step
                        when 0 then s.entry_step
                        when -1 then s.step_reached
                        else f.breakdown_step
                    end
                    then s.breakdown
            end
        ) as breakdown,
        max(case when s.step_number = s.step_reached then s.next_action end) as next_action,
        max(case when s.step_number = s.step_reached then s.next_action_2 end) as next_action_2,
        max(case when s.step_number = s.step_reached then s.next_action_3 end) as next_action_3,
        max(case when s.step_number = s.step_reached then s.value end) as value,
        max(
            case
                when s.step_number = s.step_reached and s.step_session_id = s.session_id
                    then s.action_number
            end
        ) as last_action_number,
        max(case when s.step_number = s.entry_step then s.action_number end)
            as entry_action_number
    from attempt_steps as s
    inner join funnels as f
        on s.funnel = f.funnel
    group by
        s.entry_date, s.funnel, s.attempt_number, s.attempt_count, s.session_id, s.event_number,
        s.entry_step, s.entered_at, s.step_reached, s.last_step_at, s.exclusion_number,
        s.open_until, f.step_count, f.is_within_session, f.breakdown_step
)

-- Also after its window, a later event of a session of the attempt can change the row: what
-- followed, the breakdown, or whether it is a bot. At the instant of the entry, a step can be an
-- event before it in the order: no actions lie between them.
select
    e.entry_date,
    e.funnel,
    e.attempt_number,
    e.attempt_count,
    e.site,
    e.session_id,
    e.visitor_id,
    coalesce(e.breakdown, '(not reached)') as breakdown,
    e.entered_at,
    e.entry_event_id,
    e.event_number as entry_event_number,
    e.entry_step,
    e.step_reached,
    e.last_step_at,
    case when not e.is_converted then e.next_action end as dropped_to_action,
    case when not e.is_converted then e.next_action_2 end as dropped_to_action_2,
    case when not e.is_converted then e.next_action_3 end as dropped_to_action_3,
    e.is_converted,
    e.exclusion_number is not null as is_excluded,
    e.exclusion_number,
    e.is_complete and (e.is_within_session or coalesce(e.open_until < y.observed_until, true))
        as is_window_closed,
    case
        when e.is_converted
            then cast(date_diff('microsecond', e.entered_at, e.last_step_at) as double) / 1000000
    end as seconds_to_convert,
    case
        when e.is_converted and e.last_action_number is not null
            then greatest(e.last_action_number - e.entry_action_number, 0)
    end as action_count,
    case when e.is_converted then e.value end as value,
    e.is_bot
from entries as e
inner join days as y
    on e.entry_date = y.event_date
