-- One row is an action of a day of a site. The number stands for all three, because numbers are
-- grouped faster than texts.
select
    session_date,
    site,
    action,
    cast(row_number() over (order by session_date, site, action) as integer) as label_number
from session_actions
group by session_date, site, action
