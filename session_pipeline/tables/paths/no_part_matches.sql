-- No matches of parts: what next_part_matches begins with.
select
    cast(null as varchar) as pattern,
    cast(null as bigint) as part_number,
    cast(null as varchar) as session_id,
    cast(null as bigint) as first_place,
    cast(null as bigint) as last_place
from days
where false
