-- One row is one of the most frequent first actions of a visit to a site, in the week. low and high
-- are the bounds of the 95 % Wilson interval of the rate.
with counted as (
    select
        site,
        to_action as action,
        cast(sum(session_count) as bigint) as session_count,
        cast(sum(converted_count) as bigint) as converted_count,
        cast(coalesce(sum(session_count) filter (where outcome = 'bounce'), 0) as bigint)
            as bounce_count
    from action_transitions
    where session_date between $first_day and $last_day and transition = 'entry'
    group by site, to_action
    order by session_count desc, action asc, site asc
    limit 10
),

rated as (
    select
        *,
        cast(session_count as double) as _n,
        converted_count / session_count as conversion_rate
    from counted
),

spread as (
    select
        *,
        conversion_rate + $z * $z / (2 * _n) as _centre,
        $z * sqrt(conversion_rate * (1 - conversion_rate) / _n + $z * $z / (4 * _n * _n)) as _reach,
        1 + $z * $z / _n as _scale
    from rated
)

select
    site,
    action,
    session_count,
    converted_count,
    conversion_rate,
    greatest(0, (_centre - _reach) / _scale) as low,
    least(1, (_centre + _reach) / _scale) as high,
    bounce_count / session_count as bounce_rate
from spread
order by session_count desc, action asc, site asc
