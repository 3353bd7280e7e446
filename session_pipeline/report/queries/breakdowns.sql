-- One row is one of the 12 most frequent values of a dimension in the week, over all sites:
-- channel, device, campaign and own dimensions. low and high are the bounds of the 95 % Wilson
-- interval.
with counted as (
    select
        dimension,
        dimension_value,
        cast(sum(session_count) as bigint) as session_count,
        cast(sum(converted_count) as bigint) as converted_count,
        cast(sum(bounce_count) as bigint) as bounce_count,
        cast(sum(new_session_count) as bigint) as new_count
    from daily_breakdowns
    where
        session_date between $first_day and $last_day
        and dimension not in ('landing_page', 'browser', 'os', 'utm_source')
    group by dimension, dimension_value
    having sum(session_count) > 0
),

rated as (
    select
        *,
        cast(session_count as double) as _n,
        converted_count / session_count as conversion_rate,
        bounce_count / session_count as bounce_rate,
        new_count / session_count as new_rate,
        row_number() over (
            partition by dimension order by session_count desc, dimension_value asc
        ) as _place
    from counted
)

select
    dimension,
    dimension_value,
    session_count,
    converted_count,
    conversion_rate,
    wilson_low(conversion_rate, _n, $z) as low,
    wilson_high(conversion_rate, _n, $z) as high,
    bounce_rate,
    new_rate
from rated
where _place <= $shown_values
order by dimension asc, session_count desc, dimension_value asc
