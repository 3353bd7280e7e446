-- One row is a field without a column of its own, and the number of lines that have it.
with named as (
    select unnest(json_keys(properties)) as name
    from raw_events
)

select
    name,
    count(*) as line_count
from named
group by name
order by line_count desc, name asc
