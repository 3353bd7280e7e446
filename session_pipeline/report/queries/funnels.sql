-- One row is a step of a funnel in the week, all sites together. Rates are of all that entered and were not excluded;
-- low and high: Wilson's 95 % interval. open_count: attempts that can still go further.
with open_attempts as (
    select
        funnel,
        count(*) as open_count
    from funnel_entries
    where entry_date between $first_day and $last_day and not is_bot and not is_excluded and not is_window_closed
    group by funnel
),

steps as (
    select
        funnel,
        step_number,
        max_by(step, entry_date) as step,
        cast(sum(entered_count - excluded_count) filter (where entry_date >= $first_day) as bigint) as reached_count,
        cast(sum(dropped_count) filter (where entry_date >= $first_day) as bigint) as dropped_count,
        cast(sum(excluded_count) filter (where entry_date >= $first_day) as bigint) as excluded_count,
        coalesce(cast(sum(entered_count - excluded_count) filter (where entry_date = $last_day) as bigint), 0)
            as day_count,
        coalesce(cast(sum(entered_count - excluded_count) filter (where entry_date < $first_day) as bigint), 0)
            as before_count
    from funnel_steps
    where entry_date between $before_first_day and $last_day
    group by funnel, step_number
    having reached_count is not null
),

rated as (
    select
        *,
        $z as _z,
        $z * $z as _z2,
        cast(first_value(reached_count) over steps_in_order as double) as _n,
        reached_count / nullif(first_value(reached_count) over steps_in_order, 0) as conversion_rate,
        reached_count / nullif(lag(reached_count) over steps_in_order, 0) as step_conversion_rate,
        before_count / nullif(first_value(before_count) over steps_in_order, 0) as before_rate,
        dropped_count > 0
        and row_number() over (partition by funnel order by dropped_count desc, step_number asc) = 1 as is_largest_loss
    from steps
    window steps_in_order as (partition by funnel order by step_number)
)

select
    r.funnel,
    r.step_number,
    r.step,
    r.reached_count,
    r.dropped_count,
    r.excluded_count,
    r.conversion_rate,
    r.step_conversion_rate,
    greatest(0, (
        r.conversion_rate + r._z2 / nullif(2 * r._n, 0)
        - r._z * sqrt(r.conversion_rate * (1 - r.conversion_rate) / nullif(r._n, 0) + r._z2 / nullif(4 * r._n * r._n, 0))
    ) / nullif(1 + r._z2 / nullif(r._n, 0), 0)) as low,
    least(1, (
        r.conversion_rate + r._z2 / nullif(2 * r._n, 0)
        + r._z * sqrt(r.conversion_rate * (1 - r.conversion_rate) / nullif(r._n, 0) + r._z2 / nullif(4 * r._n * r._n, 0))
    ) / nullif(1 + r._z2 / nullif(r._n, 0), 0)) as high,
    r.is_largest_loss,
    r.day_count,
    r.before_rate,
    coalesce(o.open_count, 0) as open_count
from rated as r
left join open_attempts as o
    on r.funnel = o.funnel
order by r.funnel, r.step_number
