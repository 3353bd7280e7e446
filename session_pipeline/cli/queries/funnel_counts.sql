-- One row is a step of a funnel, with the attempts of the days that reached it.
-- Excluded attempts are not counted, as in funnel_steps.conversion_rate and in the report.
-- base_count counts the attempts that entered up to the step.
select
    funnel,
    step_number,
    sum(entered_count - excluded_count) as reached_count,
    sum(excluded_count) as excluded_count,
    sum(
        sum(
            coalesce(started_count, case when step_number = 1 then entered_count else 0 end)
            - excluded_count
        )
    ) over (partition by funnel order by step_number) as base_count
from funnel_steps
where entry_date in $days
group by funnel, step_number
