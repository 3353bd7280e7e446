-- One row is the sessions of a day of a site with one outcome. The number stands for all three.
select
    session_date,
    site,
    outcome,
    bool_or(is_converted) as is_converted,
    cast(row_number() over (order by session_date, site, outcome) as integer) as group_number
from session_outcomes
where not is_bot
group by session_date, site, outcome
