-- One row is a currency in which visits of a site converted on a day; null is a value without one.
select distinct
    site,
    session_date,
    currency
from session_outcomes
where
    session_date between $first_day and $last_day
    and is_converted
    and not is_bot
    and value is not null
order by site asc, session_date asc, currency asc
