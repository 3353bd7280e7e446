-- One row is an accepted line of one or more UTC dates, from all rows computed before.
select * -- noqa: AM04
from rows_by_date
where event_time >= $first_date and event_time < $last_date + interval 1 day
order by line_number
