-- One row is a session and a dimension from the settings, with the session's first known value.
with first_values as (
    select
        session_id,
        site,
        dimension,
        dimension_value
    from dimension_values
    where session_date in (select event_date from days)
    qualify row_number() over (partition by session_id, dimension order by event_number) = 1
)

select
    s.session_date,
    f.session_id,
    f.site,
    f.dimension,
    f.dimension_value,
    s.is_bot
from first_values as f
inner join sessions as s
    on f.session_id = s.session_id
