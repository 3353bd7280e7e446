-- One row is a step of a funnel in the week, of each site, and of all together (site is null).
-- Rates are shares of all attempts that entered and were not excluded. low and high are the bounds
-- of the 95 % Wilson interval. base_count counts the attempts that entered up to the step and were
-- not excluded. open_count counts attempts that can still advance.
-- A window longer than a day can reach beyond the last day. While attempts of such a funnel are
-- open, it has the seven days that end before open_from, the first day whose windows are not all
-- over, and its week before is the seven days before them. left_out_count counts the attempts since
-- open_from. If its seven days have no attempts (is_open), those since open_from count: their rates
-- are those so far, so they have no bounds.
with open_attempts as (
    select
        funnel,
        site,
        count(*) as open_count
    from funnel_entries
    where
        entry_date between $first_day - $most_open_days and $last_day
        and not is_bot
        and not is_excluded
        and not is_converted
        and not is_window_closed
    group by grouping sets ((funnel), (funnel, site))
),

daily_steps as (
    select
        s.funnel,
        s.site,
        s.step_number,
        s.step,
        coalesce(s.is_optional, false) as is_optional,
        s.entry_date,
        s.dropped_count,
        s.excluded_count,
        s.entered_count - s.excluded_count as _remaining_count,
        coalesce(s.started_count, case when s.step_number = 1 then s.entered_count else 0 end)
        - s.excluded_count as _started_count,
        case
            when o.open_count > 0
                then coalesce(cast(cast($open_days as json) as map (varchar, integer))[s.funnel], 0)
            else 0
        end as open_days,
        $last_day - open_days + 1 as open_from,
        s.entry_date >= $first_day - open_days as _is_in_week,
        s.entry_date < open_from as _is_over
    from funnel_steps as s
    left join open_attempts as o
        on s.funnel = o.funnel and o.site is null
    where
        s.entry_date between $before_first_day - $most_open_days and $last_day
        and s.entry_date >= $before_first_day - open_days
),

counted_days as (
    select
        *,
        open_days > 0
        and not bool_or(_is_in_week and _is_over and _started_count > 0)
            over (partition by funnel) as is_open,
        _is_in_week and (_is_over or is_open) as _counts
    from daily_steps
),

steps as (
    select
        funnel,
        site,
        step_number,
        max_by(step, entry_date) as step,
        max_by(is_optional, entry_date) as is_optional,
        min(open_days) as open_days,
        min(open_from) as open_from,
        bool_or(is_open) as is_open,
        coalesce(cast(sum(_remaining_count) filter (where _counts) as bigint), 0)
            as reached_count,
        coalesce(cast(sum(dropped_count) filter (where _counts and not is_open) as bigint), 0)
            as dropped_count,
        coalesce(cast(sum(excluded_count) filter (where _counts) as bigint), 0)
            as excluded_count,
        coalesce(cast(sum(_started_count) filter (where _counts) as bigint), 0)
            as _started_count,
        coalesce(
            cast(sum(_started_count) filter (where _is_in_week and not _counts) as bigint), 0
        ) as _left_out_count,
        cast(sum(_started_count) filter (where not _is_in_week and _is_over) as bigint)
            as _started_before_count,
        coalesce(
            cast(sum(_remaining_count) filter (where entry_date = $last_day) as bigint), 0
        ) as day_count,
        coalesce(
            cast(sum(_remaining_count) filter (where not _is_in_week and _is_over) as bigint), 0
        ) as before_count
    from counted_days
    group by grouping sets ((funnel, step_number), (funnel, site, step_number))
    having bool_or(_is_in_week)
),

-- An attempt can enter at a later step, so the rate counts all that entered up to the step.
counted as (
    select
        *,
        cast(sum(_started_count) over steps_in_order as bigint) as base_count,
        sum(_started_before_count) over steps_in_order as _base_before,
        cast(sum(_left_out_count) over (partition by funnel, site) as bigint) as left_out_count
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
        case when not is_open then before_count / nullif(_base_before, 0) end as before_rate
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
    case when not r.is_open then wilson_low(r.conversion_rate, r._n, $z) end as low,
    case when not r.is_open then wilson_high(r.conversion_rate, r._n, $z) end as high,
    r.day_count,
    r.before_rate,
    coalesce(o.open_count, 0) as open_count,
    r.is_open,
    r.open_days,
    r.open_from,
    r.open_from - 1 as last_counted_day,
    r.left_out_count
from rated as r
left join open_attempts as o
    on r.funnel = o.funnel and r.site is not distinct from o.site
order by r.funnel, r.site nulls first, r.step_number
