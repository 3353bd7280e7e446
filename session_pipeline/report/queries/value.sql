-- One row is a currency: the value of the visits that converted, in the week, on its last day and
-- in the week before.
select
    o.currency,
    cast(round(sum(o.value) filter (where o.session_date >= $first_day), 2) as double)
        as week_value,
    cast(round(sum(o.value) filter (where o.session_date = $last_day), 2) as double) as day_value,
    cast(round(sum(o.value) filter (where o.session_date < $first_day), 2) as double)
        as before_value
from session_outcomes as o
inner join sessions as s
    on o.session_id = s.session_id and o.session_date = s.session_date
where
    o.session_date between $before_first_day and $last_day
    and o.is_converted
    and not s.is_bot
    and o.value is not null
group by o.currency
order by week_value desc nulls last, o.currency asc
