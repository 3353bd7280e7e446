-- One row is the sessions of a day of a site with one outcome. The number stands for all three.
select
    group_number,
    session_date,
    site,
    outcome,
    bool_or(is_converted) as is_converted
from path_sessions
group by group_number, session_date, site, outcome
