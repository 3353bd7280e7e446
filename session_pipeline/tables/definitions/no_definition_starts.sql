-- No events under a definition: what definition_starts replaces if a definition is counted.
select
    cast(null as varchar) as definition,
    cast(null as date) as event_date,
    cast(null as varchar) as site,
    cast(null as varchar) as client_session_id,
    cast(null as varchar) as own_reason,
    cast(null as varchar) as reason
from days
where false
