-- One row is a session and a dimension from the settings, with the session's first known value.
select
    s.session_date,
    d.session_id,
    d.site,
    d.dimension,
    d.dimension_value,
    s.is_bot
from dimension_values as d
inner join sessions as s
    on d.session_id = s.session_id
where d.session_date in (select event_date from days)
