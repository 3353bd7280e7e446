-- One row is an outcome and its number of sessions.
select
    outcome,
    count(*) as session_count
from session_outcomes
group by outcome
order by session_count desc, outcome asc
