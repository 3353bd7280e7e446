-- No matches: what next_untimed_matches begins with.
select
    cast(null as bigint) as text_number,
    cast(null as varchar) as session_id,
    cast(null as varchar) as pattern,
    cast(null as bigint) as match_count,
    cast(null as bigint) as first_place,
    cast(null as bigint) as last_place
from days
where false
