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
),

spread as (
    select
        *,
        conversion_rate + $z * $z / (2 * _n) as _centre,
        $z * sqrt(conversion_rate * (1 - conversion_rate) / _n + $z * $z / (4 * _n * _n)) as _reach,
        1 + $z * $z / _n as _scale
    from rated
    where _place <= 12
)

select
    dimension,
    dimension_value,
    session_count,
    converted_count,
    conversion_rate,
    greatest(0, (_centre - _reach) / _scale) as low,
    least(1, (_centre + _reach) / _scale) as high,
    bounce_rate,
    new_rate
from spread
order by dimension asc, session_count desc, dimension_value asc
