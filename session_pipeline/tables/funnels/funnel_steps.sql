-- One row is a step of a funnel on a day of a site, by breakdown.
-- An attempt that reached step 3 also counts for steps 1 and 2.
-- entered at step 1 = dropped at each step + entered at the last step + excluded.
with attempts as (
    select
        entry_date,
        funnel,
        site,
        breakdown,
        step_reached,
        is_excluded
    from funnel_entries
    where not is_bot
),

entered as (
    select
        a.entry_date,
        s.funnel,
        a.site,
        s.step_number,
        s.step,
        s.is_last,
        a.breakdown,
        count(*) filter (
            where a.step_reached >= s.step_number and not a.is_excluded
        ) as _kept_count,
        count(*) filter (
            where a.step_reached = s.step_number and not a.is_excluded
        ) as _ended_count,
        count(*) filter (where a.is_excluded) as _excluded_count
    from attempts as a
    inner join funnel_step_names as s
        on a.funnel = s.funnel
    group by a.entry_date, s.funnel, a.site, s.step_number, s.step, s.is_last, a.breakdown
),

compared as (
    select
        *,
        cast(_kept_count as double) as _reached,
        cast(first_value(_kept_count) over steps_in_order as double) as _n,
        cast(lag(_kept_count) over steps_in_order as double) as _before
    from entered
    window steps_in_order as (
        partition by entry_date, funnel, site, breakdown
        order by step_number
    )
),

rated as (
    select
        *,
        _reached / nullif(_n, 0) as conversion_rate
    from compared
)

select
    entry_date,
    funnel,
    site,
    step_number,
    step,
    breakdown,
    _kept_count + case when step_number = 1 then _excluded_count else 0 end as entered_count,
    case when is_last then 0 else _ended_count end as dropped_count,
    case when step_number = 1 then _excluded_count else 0 end as excluded_count,
    conversion_rate,
    case
        when step_number = 1 then conversion_rate
        else _reached / nullif(_before, 0)
    end as step_conversion_rate,
    wilson_low(conversion_rate, _n, $z) as low,
    wilson_high(conversion_rate, _n, $z) as high
from rated
