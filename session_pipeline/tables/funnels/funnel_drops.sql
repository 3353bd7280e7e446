-- One row is an action that followed where attempts at a funnel ended, on a day of a site, by
-- breakdown. next_number 1 is the next action, 2 and 3 those after it. The counts of each
-- next_number add up to the attempts that dropped out at the step, or that the exclusion removed.
with ended as (
    select
        e.entry_date,
        e.funnel,
        e.site,
        e.breakdown,
        e.step_reached as step_number,
        coalesce(e.exclusion_number, 0) as exclusion_number,
        unnest([
            { 'next_number': 1, 'action': coalesce(path_label(e.dropped_to_action), '(none)') },
            { 'next_number': 2, 'action': coalesce(path_label(e.dropped_to_action_2), '(none)') },
            { 'next_number': 3, 'action': coalesce(path_label(e.dropped_to_action_3), '(none)') }
        ]) as following
    from funnel_entries as e
    where not e.is_bot and (e.is_excluded or not e.is_converted)
),

counted as (
    select
        e.entry_date,
        e.funnel,
        e.site,
        e.breakdown,
        e.step_number,
        e.exclusion_number,
        e.following.next_number,
        e.following.action,
        count(*) as attempt_count
    from ended as e
    group by
        e.entry_date, e.funnel, e.site, e.breakdown, e.step_number, e.exclusion_number,
        e.following.next_number, e.following.action
),

ranked as (
    select
        *,
        row_number() over (
            partition by
                entry_date, funnel, site, breakdown, step_number, exclusion_number, next_number
            order by attempt_count desc, action asc
        ) as action_rank
    from counted
),

folded as (
    select
        *,
        action_rank > 10 as _is_other,
        least(action_rank, 11) as _rank
    from ranked
)

select
    entry_date,
    funnel,
    site,
    breakdown,
    step_number,
    exclusion_number,
    cast(next_number as bigint) as next_number,
    _rank as rank,
    case when _is_other then '(other)' else min(action) end as action,
    cast(sum(attempt_count) as bigint) as attempt_count
from folded
group by
    entry_date, funnel, site, breakdown, step_number, exclusion_number, next_number, _rank,
    _is_other
