-- One row is an outcome or number of sessions, over a window, that is lower or higher than usual.
-- Python finds the rows (found_outcomes.py), because they need logarithms and medians by weekday.
-- Examples are sessions of the row's day, so that no other day of sessions is read: with the
-- outcome if it is more frequent, otherwise without it. Of the latter, a bounce shows little, and a
-- session with another conversion got what it came for.
with rated as (
    select
        *,
        cast(session_count as double) as _n
    from found_outcomes
),

changed as (
    select distinct
        session_date,
        site,
        dimension,
        dimension_value,
        outcome,
        score > 0 as is_more
    from rated
    where outcome <> '(sessions)' and over_since is null
),

members as (
    select
        session_id,
        'all' as dimension,
        'all' as dimension_value
    from session_outcomes
    union all
    select
        session_id,
        dimension,
        coalesce(dimension_value, '(none)') as dimension_value
    from column_values
    union all
    select
        s.session_id,
        o.dimension,
        coalesce(d.dimension_value, '(none)') as dimension_value
    from session_outcomes as s
    cross join own_dimensions as o
    left join session_dimensions as d
        on s.session_id = d.session_id and o.dimension = d.dimension
),

showing as (
    select
        c.session_date,
        c.site,
        c.dimension,
        c.dimension_value,
        c.outcome,
        c.is_more,
        o.session_id,
        row_number() over (
            partition by
                c.session_date, c.site, c.dimension, c.dimension_value, c.outcome, c.is_more
            order by o.session_id
        ) as place
    from changed as c
    inner join session_outcomes as o
        on c.session_date = o.session_date and c.site = o.site
    inner join members as m
        on
            o.session_id = m.session_id
            and c.dimension = m.dimension
            and c.dimension_value = m.dimension_value
    where
        not o.is_bot
        and case when c.outcome = '(converted)' then o.is_converted else o.outcome = c.outcome end
        = c.is_more
        and (c.is_more or (not o.is_converted and o.outcome <> 'bounce'))
),

examples as (
    select
        session_date,
        site,
        dimension,
        dimension_value,
        outcome,
        is_more,
        concat_ws(
            ' ',
            max(case when place = 1 then session_id end),
            max(case when place = 2 then session_id end),
            max(case when place = 3 then session_id end)
        ) as example_session_ids
    from showing
    where place <= 3
    group by session_date, site, dimension, dimension_value, outcome, is_more
)

select
    r.session_date,
    r.site,
    r.rank,
    r.window_days,
    r.dimension,
    r.dimension_value,
    r.outcome,
    r.session_count,
    r.outcome_count,
    r.rate,
    wilson_low(r.rate, r._n, $z) as low,
    wilson_high(r.rate, r._n, $z) as high,
    r.expected_count,
    r.usual_rate,
    r.spread,
    r.score,
    r.tested_count,
    r.is_alert,
    r.since,
    r.over_since,
    r.sentence,
    e.example_session_ids
from rated as r
left join examples as e
    on
        r.session_date = e.session_date
        and r.site = e.site
        and r.dimension = e.dimension
        and r.dimension_value = e.dimension_value
        and r.outcome = e.outcome
        and (r.score > 0) = e.is_more
        and r.over_since is null
