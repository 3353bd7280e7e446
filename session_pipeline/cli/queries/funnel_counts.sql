-- One row is a step of a funnel, with the attempts of the days that reached it.
-- Excluded attempts are not counted, as in funnel_steps.conversion_rate and in the report.
select
    funnel,
    step_number,
    sum(entered_count - excluded_count) as reached_count,
    sum(excluded_count) as excluded_count
from funnel_steps
where entry_date in $days
group by funnel, step_number
