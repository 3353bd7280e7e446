-- One row is a step of a funnel in mode unordered and a narrower step: each event that meets the
-- narrower step meets the step, too. Of two steps that the same events meet, the first is narrower.
with met as (
    select
        e.funnel,
        e.step_number,
        e.session_id,
        e.event_number,
        count(*) over (partition by e.funnel, e.step_number) as event_count
    from step_events as e
    inner join funnels as f
        on e.funnel = f.funnel
    where e.step_number > 0 and f.is_unordered
)

select
    w.funnel,
    w.step_number,
    n.step_number as narrower_step
from met as w
inner join met as n
    on
        w.funnel = n.funnel and w.session_id = n.session_id
        and w.event_number = n.event_number and w.step_number <> n.step_number
group by w.funnel, w.step_number, w.event_count, n.step_number, n.event_count
having
    count(*) = n.event_count
    and (w.event_count > n.event_count or w.step_number > n.step_number)
