-- One row is a day of a site, a dimension and a value of it.
-- low and high are the 95 % Wilson interval of the rate; they are null for a value that only bots
-- have.
with counted as (
    select
        session_date,
        site,
        dimension,
        coalesce(dimension_value, '(none)') as dimension_value,
        count(*) filter (where not is_bot) as session_count,
        count(*) filter (where not is_bot and is_converted) as converted_count,
        count(*) filter (where not is_bot and outcome = 'bounce') as bounce_count,
        sum(value) filter (where not is_bot and is_converted) as value,
        count(*) filter (where not is_bot and lifecycle = 'new') as new_session_count,
        count(*) filter (
            where not is_bot and lifecycle = 'new' and is_converted
        ) as new_converted_count,
        count(*) filter (where is_bot) as bot_session_count
    from breakdown_values
    group by session_date, site, dimension, coalesce(dimension_value, '(none)')
),

rated as (
    select
        *,
        cast(session_count as double) as _n,
        cast(converted_count as double)
        / nullif(cast(session_count as double), 0) as conversion_rate
    from counted
)

select
    session_date,
    site,
    dimension,
    dimension_value,
    session_count,
    converted_count,
    bounce_count,
    value,
    conversion_rate,
    wilson_low(conversion_rate, _n, $z) as low,
    wilson_high(conversion_rate, _n, $z) as high,
    new_session_count,
    new_converted_count,
    bot_session_count
from rated
