-- One row is a session and a dimension of the settings: the first value it is known to have.
with first_values as (
    select
        session_id,
        site,
        dimension,
        dimension_value
    from dimension_values
    where session_date = $session_date
    qualify row_number() over (partition by session_id, dimension order by event_number) = 1
)

select
    session_id,
    site,
    dimension,
    dimension_value
from first_values
