-- One row is a step of a funnel in the week, of each site, and of all together (site is null).
-- Rates are shares of all attempts that entered and were not excluded. low and high are the bounds
-- of the 95 % Wilson interval. base_count counts the attempts that entered up to the step and were
-- not excluded. open_count counts attempts that can still advance.
with open_attempts as (
    select
        funnel,
        site,
        count(*) as open_count
    from funnel_entries
    where
        entry_date between $first_day and $last_day
        and not is_bot
        and not is_excluded
        and not is_converted
        and not is_window_closed
    group by grouping sets ((funnel), (funnel, site))
),

daily_steps as (
    select
        funnel,
        site,
        step_number,
        step,
        coalesce(is_optional, false) as is_optional,
        entry_date,
        dropped_count,
        excluded_count,
        entered_count - excluded_count as _remaining_count,
        coalesce(started_count, case when step_number = 1 then entered_count else 0 end)
        - excluded_count as _started_count
    from funnel_steps
    where entry_date between $before_first_day and $last_day
),

steps as (
    select
        funnel,
        site,
        step_number,
        max_by(step, entry_date) as step,
        max_by(is_optional, entry_date) as is_optional,
        cast(sum(_remaining_count) filter (where entry_date >= $first_day) as bigint)
            as reached_count,
        cast(sum(dropped_count) filter (where entry_date >= $first_day) as bigint)
            as dropped_count,
        cast(sum(excluded_count) filter (where entry_date >= $first_day) as bigint)
            as excluded_count,
        cast(sum(_started_count) filter (where entry_date >= $first_day) as bigint)
            as _started_count,
        cast(sum(_started_count) filter (where entry_date < $first_day) as bigint)
            as _started_before_count,
        coalesce(
            cast(sum(_remaining_count) filter (where entry_date = $last_day) as bigint), 0
        ) as day_count,
        coalesce(
            cast(sum(_remaining_count) filter (where entry_date < $first_day) as bigint), 0
        ) as before_count
    from daily_steps
    group by grouping sets ((funnel, step_number), (funnel, site, step_number))
    having reached_count is not null
),

-- An attempt can enter at a later step, so the rate counts all that entered up to the step.
counted as (
    select
        *,
        cast(sum(_started_count) over steps_in_order as bigint) as base_count,
        sum(_started_before_count) over steps_in_order as _base_before
    from steps
    window steps_in_order as (
        partition by funnel, site order by step_number
        rows between unbounded preceding and current row
    )
),

rated as (
    select
        *,
        cast(base_count as double) as _n,
        reached_count / nullif(base_count, 0) as conversion_rate,
        (reached_count - _started_count) / nullif(
            last_value(case when not is_optional then reached_count end ignore nulls)
                over steps_before,
            0
        ) as step_conversion_rate,
        before_count / nullif(_base_before, 0) as before_rate
    from counted
    window steps_before as (
        partition by funnel, site order by step_number
        rows between unbounded preceding and 1 preceding
    )
)

select
    r.funnel,
    r.site,
    r.step_number,
    r.step,
    r.is_optional,
    r.reached_count,
    r.dropped_count,
    r.excluded_count,
    r.base_count,
    r.conversion_rate,
    r.step_conversion_rate,
    wilson_low(r.conversion_rate, r._n, $z) as low,
    wilson_high(r.conversion_rate, r._n, $z) as high,
    r.day_count,
    r.before_rate,
    coalesce(o.open_count, 0) as open_count
from rated as r
left join open_attempts as o
    on r.funnel = o.funnel and r.site is not distinct from o.site
order by r.funnel, r.site nulls first, r.step_number
