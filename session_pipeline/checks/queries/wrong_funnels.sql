-- One row is a day and a funnel that does not add up. _left_count: attempts that entered before the
-- step, are not excluded and did not drop out before it. Only they, and those that enter here, can
-- reach the step; at the last step all of them have.
with steps as (
    select
        entry_date,
        funnel,
        site,
        breakdown,
        step_number,
        entered_count,
        reached_count,
        excluded_count,
        started_count - excluded_count as _clean_count,
        coalesce(
            sum(started_count - excluded_count - dropped_count) over (
                partition by entry_date, funnel, site, breakdown
                order by step_number
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as _left_count,
        max(step_number) over (
            partition by entry_date, funnel, site, breakdown
        ) as last_step_number
    from funnel_steps
)

select distinct
    entry_date,
    funnel
from steps
where
    entered_count <> reached_count + excluded_count
    or reached_count > _left_count + _clean_count
    or (step_number = last_step_number and reached_count <> _left_count + _clean_count)
order by entry_date, funnel
