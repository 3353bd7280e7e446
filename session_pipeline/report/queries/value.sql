-- One row is a currency of the last four weeks: the value of the visits that converted, in the
-- week, on its last day and in the week before. XXX are visits that each have several currencies:
-- their values are no sum of money, so only their number is shown. The currency of the most visits
-- comes first, because values of several currencies cannot be compared.
select
    currency,
    count(*) filter (where session_date >= $first_day) as week_count,
    cast(round(sum(value) filter (where session_date >= $first_day), 2) as double) as week_value,
    cast(round(sum(value) filter (where session_date = $last_day), 2) as double) as day_value,
    cast(round(sum(value) filter (
        where session_date between $before_first_day and $before_last_day
    ), 2) as double) as before_value
from session_outcomes
where
    session_date between least($trend_first_day, $before_first_day) and $last_day
    and is_converted
    and not is_bot
    and value is not null
group by currency
order by week_count desc, week_value desc nulls last, currency asc
