-- One row is a day of a site, a dimension and a value of it.
-- low and high are Wilson's 95 % interval of the rate; a value that only bots have has none.
with counted as (
    select
        d.site,
        d.dimension,
        coalesce(d.dimension_value, '(none)') as dimension_value,
        count(*) filter (where not s.is_bot) as session_count,
        count(*) filter (where not s.is_bot and o.is_converted) as converted_count,
        count(*) filter (where not s.is_bot and o.outcome = 'bounce') as bounce_count,
        sum(o.value) filter (where not s.is_bot and o.is_converted) as value,
        count(*) filter (where s.is_bot) as bot_session_count
    from breakdown_values as d
    inner join sessions as s
        on d.session_id = s.session_id
    inner join session_outcomes as o
        on d.session_id = o.session_id
    group by d.site, d.dimension, coalesce(d.dimension_value, '(none)')
),

rated as (
    select
        *,
        cast(session_count as double) as _n,
        cast(converted_count as double)
        / nullif(cast(session_count as double), 0) as conversion_rate
    from counted
),

bounded as (
    select
        *,
        conversion_rate + $z * $z / nullif(2 * _n, 0) as _center,
        $z * sqrt(
            conversion_rate * (1 - conversion_rate) / nullif(_n, 0)
            + $z * $z / nullif(4 * _n * _n, 0)
        ) as _margin,
        1 + $z * $z / nullif(_n, 0) as _scale
    from rated
)

select
    site,
    dimension,
    dimension_value,
    session_count,
    converted_count,
    bounce_count,
    value,
    conversion_rate,
    case when _n > 0 then greatest(0, (_center - _margin) / nullif(_scale, 0)) end as low,
    case when _n > 0 then least(1, (_center + _margin) / nullif(_scale, 0)) end as high,
    bot_session_count
from bounded
