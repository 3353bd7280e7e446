-- One row is a day and a funnel that does not add up, or a step of which has more attempts than the
-- one before.
with steps as (
    select
        entry_date,
        funnel,
        site,
        breakdown,
        step_number,
        entered_count,
        dropped_count,
        excluded_count,
        lag(entered_count) over (
            partition by entry_date, funnel, site, breakdown order by step_number
        ) as entered_count_before
    from funnel_steps
)

select
    entry_date,
    funnel
from steps
group by entry_date, funnel, site, breakdown
having
    min_by(entered_count, step_number)
    <> sum(dropped_count) + sum(excluded_count) + max_by(entered_count, step_number)
union
select
    entry_date,
    funnel
from steps
where entered_count > entered_count_before
order by entry_date, funnel
