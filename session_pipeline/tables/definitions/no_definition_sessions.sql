-- No sessions under a definition: what definition_sessions replaces if a definition is counted.
select
    cast(null as varchar) as definition,
    cast(null as varchar) as site,
    cast(null as varchar) as visitor_id,
    cast(null as date) as session_date,
    cast(null as bigint) as page_view_count,
    cast(null as bigint) as length_microseconds,
    cast(null as boolean) as is_listed,
    cast(null as boolean) as is_kept,
    cast(null as boolean) as is_engaged,
    cast(null as boolean) as is_engaged_by_own_rules
from days
where false
