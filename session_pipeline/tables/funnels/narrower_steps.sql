-- One row is a step of a funnel in mode unordered and a narrower step: each event that meets the
-- narrower step meets the step, too. Of two steps that the same events meet, the first is narrower.
with met as (
    select
        e.funnel,
        e.step_number,
        e.session_id,
        e.event_number
    from step_events as e
    inner join funnels as f
        on e.funnel = f.funnel
    where e.step_number > 0 and f.is_unordered
),

step_counts as (
    select
        funnel,
        step_number,
        count(*) as event_count
    from met
    group by funnel, step_number
),

pair_counts as (
    select
        w.funnel,
        w.step_number,
        n.step_number as narrower_step,
        count(*) as event_count
    from met as w
    inner join met as n
        on
            w.funnel = n.funnel and w.session_id = n.session_id
            and w.event_number = n.event_number and w.step_number <> n.step_number
    group by w.funnel, w.step_number, n.step_number
)

select
    p.funnel,
    p.step_number,
    p.narrower_step
from pair_counts as p
inner join step_counts as w
    on p.funnel = w.funnel and p.step_number = w.step_number
inner join step_counts as n
    on p.funnel = n.funnel and p.narrower_step = n.step_number
where
    p.event_count = n.event_count
    and (w.event_count > n.event_count or p.step_number > p.narrower_step)
