-- One row is an outcome of a site and a currency whose value of a visit is at most half or at least
-- twice of what is usual, or of the other sign: the median of the week against that of the four
-- weeks before. It must be no chance, so a sign test counts the visits of the week on either side
-- of the usual median.
with visits as (
    select
        site,
        outcome,
        currency,
        cast(value as double) as value,
        session_date >= $first_day as _is_in_week
    from session_outcomes
    where
        session_date between $first_day - 28 and $last_day
        and is_converted
        and not is_bot
        and value is not null
        and currency is distinct from 'XXX'
),

medians as (
    select
        site,
        outcome,
        currency,
        count(*) filter (where _is_in_week) as week_count,
        count(*) filter (where not _is_in_week) as usual_count,
        median(value) filter (where _is_in_week) as week_median,
        median(value) filter (where not _is_in_week) as usual_median
    from visits
    group by site, outcome, currency
),

sides as (
    select
        m.site,
        m.outcome,
        m.currency,
        count(*) filter (where v.value >= m.usual_median) as not_lower_count,
        count(*) filter (where v.value <= m.usual_median) as not_higher_count
    from medians as m
    inner join visits as v
        on m.site = v.site and m.outcome = v.outcome and m.currency is not distinct from v.currency
    where v._is_in_week
    group by m.site, m.outcome, m.currency
)

select
    m.site,
    m.outcome,
    m.currency,
    m.week_count,
    m.usual_count,
    m.week_median,
    m.usual_median
from medians as m
inner join sides as s
    on m.site = s.site and m.outcome = s.outcome and m.currency is not distinct from s.currency
where
    (
        sign(m.week_median) <> sign(m.usual_median)
        or abs(m.week_median) * $value_ratio <= abs(m.usual_median)
        or abs(m.usual_median) * $value_ratio <= abs(m.week_median)
    )
    and m.week_count / 2 - least(s.not_lower_count, s.not_higher_count)
    >= $value_score / 2 * sqrt(m.week_count * (1 + m.week_count / m.usual_count))
order by m.week_count desc, m.site asc, m.outcome asc, m.currency asc
