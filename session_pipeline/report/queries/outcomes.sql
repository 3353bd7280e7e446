-- One row is an outcome: its visits and their share in the week, on its last day and in the week
-- before. change is the difference between the shares of the two weeks. An outcome that only
-- earlier visits had also has a row, which the page shows if it is a conversion.
with counted as (
    select
        outcome,
        coalesce(bool_or(value is not null) filter (where session_date >= $first_day), false)
            as has_value,
        coalesce(cast(sum(session_count) filter (where session_date >= $first_day) as bigint), 0)
            as week_count,
        coalesce(cast(sum(session_count) filter (where session_date = $last_day) as bigint), 0)
            as day_count,
        coalesce(
            cast(
                sum(session_count) filter (
                    where session_date between $before_first_day and $before_last_day
                ) as bigint
            ),
            0
        ) as before_count,
        max(session_date) as last_seen_day
    from daily_outcomes
    where session_date <= $last_day and session_count > 0
    group by outcome
),

compared as (
    select
        *,
        week_count / nullif(sum(week_count) over (), 0) as week_share,
        day_count / nullif(sum(day_count) over (), 0) as day_share,
        before_count / nullif(sum(before_count) over (), 0) as before_share
    from counted
)

select
    outcome,
    has_value,
    week_count,
    week_share,
    day_count,
    day_share,
    before_count,
    before_share,
    week_share - before_share as change,
    last_seen_day
from compared
order by outcome
