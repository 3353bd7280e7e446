-- One row is a step of a funnel on a day of a site, by breakdown.
-- An attempt that reached step 3 also counts for the required steps 1 and 2, from its entry on.
-- started at all steps = dropped at each step + reached at the last step + excluded.
with attempts as (
    select
        entry_date,
        funnel,
        site,
        breakdown,
        session_id,
        entry_event_number,
        entry_step,
        step_reached,
        is_excluded,
        attempt_count
    from funnel_entries
    where not is_bot
),

timed as (
    select
        a.entry_date,
        a.funnel,
        a.site,
        a.breakdown,
        a.attempt_count,
        t.step_number,
        t.seconds_from_step_before as seconds,
        t.action_count,
        t.value,
        row_number() over (
            partition by a.entry_date, a.funnel, a.site, a.breakdown, t.step_number
            order by
                t.seconds_from_step_before nulls last,
                a.session_id, a.entry_event_number, a.entry_step
        ) as seconds_rank,
        count(t.seconds_from_step_before) over (
            partition by a.entry_date, a.funnel, a.site, a.breakdown, t.step_number
        ) as seconds_count
    from attempts as a
    inner join funnel_entry_steps as t
        on
            a.entry_date = t.entry_date and a.funnel = t.funnel
            and a.session_id = t.session_id and a.entry_event_number = t.entry_event_number
            and a.entry_step = t.entry_step
    where not a.is_excluded
),

-- The median is the mean of the two middle times; the percentile is the time of a rank.
times as (
    select
        entry_date,
        funnel,
        site,
        breakdown,
        step_number,
        count(*) as _taken_count,
        max(case when seconds_rank = (seconds_count + 1) // 2 then seconds end) as _middle_low,
        max(case when seconds_rank = seconds_count // 2 + 1 then seconds end) as _middle_high,
        max(case when seconds_rank = (9 * seconds_count + 9) // 10 then seconds end)
            as p90_seconds,
        sum(value) as value,
        sum(attempt_count) as _taken_attempt_count,
        sum(action_count) as action_count
    from timed
    group by entry_date, funnel, site, breakdown, step_number
),

counted as (
    select
        a.entry_date,
        s.funnel,
        a.site,
        s.step_number,
        s.step,
        s.is_optional,
        a.breakdown,
        count(*) filter (
            where
            a.step_reached >= s.step_number
            and a.entry_step <= s.step_number
            and not a.is_excluded
        ) as _kept_count,
        count(*) filter (
            where a.step_reached = s.step_number and not s.is_last and not a.is_excluded
        ) as dropped_count,
        count(*) filter (where greatest(a.entry_step, 1) = s.step_number) as started_count,
        count(*) filter (
            where greatest(a.entry_step, 1) = s.step_number and a.is_excluded
        ) as excluded_count,
        sum(
            case
                when
                    a.step_reached >= s.step_number
                    and a.entry_step <= s.step_number
                    and not a.is_excluded
                    then a.attempt_count
                else 0
            end
        ) as _kept_attempt_count
    from attempts as a
    inner join funnel_step_names as s
        on a.funnel = s.funnel
    group by
        a.entry_date, s.funnel, a.site, s.step_number, s.step, s.is_optional, s.is_last, a.breakdown
),

compared as (
    select
        c.*,
        case when c.is_optional then coalesce(t._taken_count, 0) else c._kept_count end
            as reached_count,
        case
            when c.is_optional then coalesce(t._taken_attempt_count, 0)
            else c._kept_attempt_count
        end as attempt_count,
        (t._middle_low + t._middle_high) / 2 as median_seconds,
        t.p90_seconds,
        t.value,
        t.action_count,
        cast(sum(c.started_count - c.excluded_count) over (
            partition by c.entry_date, c.funnel, c.site, c.breakdown
            order by c.step_number
            rows between unbounded preceding and current row
        ) as double) as _n,
        cast(
            last_value(case when not c.is_optional then c._kept_count end ignore nulls) over (
                partition by c.entry_date, c.funnel, c.site, c.breakdown
                order by c.step_number
                rows between unbounded preceding and 1 preceding
            ) as double
        ) as _before
    from counted as c
    left join times as t
        on
            c.entry_date = t.entry_date and c.funnel = t.funnel and c.site = t.site
            and c.breakdown = t.breakdown and c.step_number = t.step_number
),

rated as (
    select
        *,
        cast(reached_count as double) / nullif(_n, 0) as conversion_rate,
        case
            when step_number = 1 then cast(reached_count as double) / nullif(_n, 0)
            else cast(reached_count - started_count + excluded_count as double) / nullif(_before, 0)
        end as step_conversion_rate
    from compared
)

select
    entry_date,
    funnel,
    site,
    step_number,
    step,
    is_optional,
    breakdown,
    started_count,
    reached_count + excluded_count as entered_count,
    reached_count,
    dropped_count,
    excluded_count,
    conversion_rate,
    step_conversion_rate,
    wilson_low(conversion_rate, _n, $z) as low,
    wilson_high(conversion_rate, _n, $z) as high,
    wilson_low(step_conversion_rate, coalesce(_before, _n), $z) as step_low,
    wilson_high(step_conversion_rate, coalesce(_before, _n), $z) as step_high,
    median_seconds,
    p90_seconds,
    value,
    cast(attempt_count as bigint) as attempt_count,
    cast(action_count as bigint) as action_count
from rated
