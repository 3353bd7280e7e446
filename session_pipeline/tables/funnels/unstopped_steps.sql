-- One row is an attempt and a step it reached, without what a funnel with stop_ends = "all" does not
-- count: the first stop of an attempt ends all attempts of its session, or of its visitor on the day.
with last_steps as (
    select
        r.entry_date,
        r.funnel,
        r.site,
        r.unit_id,
        r.step_number,
        f.step_count,
        f.is_one_event_per_step,
        r.stop_place,
        r.stop_event_place,
        r.other_event_place
    from reached_steps as r
    inner join funnels as f
        on r.funnel = f.funnel
    where f.does_stop_all
    qualify
        row_number() over (partition by r.funnel, r.attempt_id order by r.step_number desc) = 1
),

ends as (
    select
        entry_date,
        funnel,
        site,
        unit_id,
        is_one_event_per_step,
        min(stop_place) as end_place,
        min(
            case
                when other_event_place < stop_event_place then other_event_place
                else coalesce(stop_event_place, other_event_place)
            end
        ) as end_event_place
    from last_steps
    where step_number < step_count
    group by entry_date, funnel, site, unit_id, is_one_event_per_step
)

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
    r.step_number,
    r.met_step,
    r.is_taken,
    r.reached_at,
    r.step_session_id,
    r.step_event_number,
    r.used_at_once,
    r.place,
    r.event_place,
    r.stop_place,
    r.stop_event_place,
    r.other_event_place
from reached_steps as r
left join ends as e
    on
        r.entry_date = e.entry_date and r.funnel = e.funnel
        and r.site = e.site and r.unit_id = e.unit_id
where
    case
        when e.is_one_event_per_step is null then true
        when e.is_one_event_per_step
            then e.end_event_place is null or r.event_place < e.end_event_place
        else e.end_place is null or r.place < e.end_place
    end
