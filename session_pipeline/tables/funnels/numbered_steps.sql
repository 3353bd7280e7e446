-- One row is an attempt and a step it reached. The steps of funnels in mode unordered are numbered
-- in the order in which the attempt reached them; at equal times, the step of its entry is first.
select
    r.entry_date,
    r.funnel,
    r.site,
    r.unit_id,
    r.attempt_id,
    r.entered_at,
    r.window_ends_at,
    r.session_id,
    r.event_number,
    r.position,
    r.event_id,
    r.entry_step,
    case
        when f.is_unordered
            then
                row_number() over (
                    partition by r.funnel, r.attempt_id
                    order by
                        r.reached_at asc,
                        r.step_session_id = r.session_id
                        and r.step_event_number = r.event_number desc,
                        r.met_step asc
                )
        else r.step_number
    end as step_number,
    r.met_step,
    r.is_taken,
    r.reached_at,
    r.step_session_id,
    r.step_event_number,
    r.used_at_once,
    r.stops
from reached_steps as r
inner join funnels as f
    on r.funnel = f.funnel
where not f.is_unordered or r.is_taken
